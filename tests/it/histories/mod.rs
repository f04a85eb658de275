//! Random histories of calls, made without a socket, because thousands of them are needed to find rare orders of events.
//! The suite runs some of them. The long forms run with
//! `cargo test --locked --test it histories -- --ignored`.

mod caller;
mod changes;
mod copies;
mod undo;

/// Draws the same numbers in every run.
pub(crate) struct Draws(u64);

impl Draws {
    /// Returns the random numbers of the history with this number.
    pub(crate) fn of(history: u64) -> Draws {
        // Without the multiplication, neighbouring histories would begin alike.
        let mut draws = Draws(history.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        draws.below(2);
        draws
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    pub(crate) fn small(&mut self, limit: u8) -> u8 {
        u8::try_from(self.below(limit.into())).unwrap()
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()].clone()
    }
}
