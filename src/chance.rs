//! Chance: the one place that asks the system for random bytes.

/// `length` random characters of `alphabet` (of at most 256).
///
/// # Panics
/// When the system has no random bytes to give, or the alphabet is empty.
#[must_use]
pub fn text(length: usize, alphabet: &[u8]) -> String {
    // Bytes beyond the last whole multiple are passed over, so that no character is likelier.
    let usable = 256 - 256 % alphabet.len();
    let mut out = String::with_capacity(length);
    while out.len() < length {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        let fitting = bytes.into_iter().map(usize::from).filter(|byte| *byte < usable);
        out.extend(fitting.take(length - out.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    out
}

/// A random number from 0 up to 1.
///
/// # Panics
/// When the system has no random bytes to give.
#[must_use]
pub fn fraction() -> f64 {
    f64::from(u32::from_ne_bytes(array())) / (f64::from(u32::MAX) + 1.0)
}

/// Random bytes.
///
/// # Panics
/// When the system has no random bytes to give.
#[must_use]
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
