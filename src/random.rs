//! The only module that asks the operating system for random bytes.

/// Returns `length` random characters of `alphabet`, which has at most 256.
///
/// # Panics
/// If the system cannot provide random bytes, or if the alphabet is empty.
#[must_use]
pub fn text(length: usize, alphabet: &[u8]) -> String {
    // Bytes above the last multiple of the alphabet's length are skipped, so that all characters are equally likely.
    let usable = 256 - 256 % alphabet.len();
    let mut out = String::with_capacity(length);
    while out.len() < length {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).expect("the system provides random bytes");
        let fitting = bytes.into_iter().map(usize::from).filter(|byte| *byte < usable);
        out.extend(fitting.take(length - out.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    out
}

/// Returns a random number that is at least 0 and less than 1.
///
/// # Panics
/// If the system cannot provide random bytes.
#[must_use]
pub fn fraction() -> f64 {
    f64::from(u32::from_ne_bytes(array())) / (f64::from(u32::MAX) + 1.0)
}

/// Returns `N` random bytes.
///
/// # Panics
/// If the system cannot provide random bytes.
#[must_use]
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the system provides random bytes");
    bytes
}
