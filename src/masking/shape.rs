//! What a UserSig looks like: base64 of a zlib stream, with `*-_` in the place of `+/=`.

/// The shortest beginning of a signature that is taken for one. Messages cut what they quote.
const LEAST: usize = 16;

/// From this length on two characters are enough: no word is that long.
const LONG: usize = 64;

/// Whether a character can be part of a run in which a signature is looked for: of its alphabet or of ordinary
/// base64, or of an escape by which such a character may be written.
pub(super) fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"*-_+/=%\\.".contains(&byte)
}

/// The end of the run that begins at `at`.
pub(super) fn run_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| !in_run(*byte)).map_or(bytes.len(), |length| at + length)
}

/// Where a signature begins among the first `within` bytes of the rest of a run.
pub(super) fn signature(run: &[u8], within: usize) -> Option<usize> {
    (0..within.min((run.len() + 1).saturating_sub(LEAST))).find(|start| begins(&run[*start..]))
}

/// Whether a run that contains escapes is a signature without them.
pub(super) fn is_hidden_signature(run: &str) -> bool {
    if !run.contains(['%', '\\']) {
        return false;
    }
    let bytes = run.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = match &bytes[at..] {
            [b'%', ..] => 2,
            [b'\\', b'u', ..] => 5,
            _ => 0,
        };
        // The last two digits are enough: what is looked for is ASCII.
        let digits = (length > 0).then(|| run.get(at + length - 1..=at + length)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => plain.push(byte),
            None => plain.push(bytes[at]),
        }
        at += if digits.is_some() { length + 1 } else { 1 };
    }
    let mut at = 0;
    while at < plain.len() {
        let end = run_end(&plain, at);
        if signature(&plain[at..end], end - at).is_some() {
            return true;
        }
        at = end + 1;
    }
    false
}

/// The end of a signature whose run ends at `end`: some programs break long base64 into lines.
pub(super) fn joined_end(text: &str, mut end: usize) -> usize {
    loop {
        let rest = text[end..].trim_start_matches(['\r', '\n', char::REPLACEMENT_CHARACTER]);
        if rest.len() == text.len() - end {
            return end;
        }
        let next = text.len() - rest.trim_start_matches([' ', '\t']).len();
        let next_end = if next < text.len() { run_end(text.as_bytes(), next) } else { next };
        if next_end - next < LEAST && next_end < text.len() {
            return end;
        }
        end = next_end;
    }
}

/// Whether a signature begins here: at the usual level of compression it can be told by three characters, or by two
/// if many more follow; at any other by the first bytes of the stream.
fn begins(run: &[u8]) -> bool {
    match run {
        [b'e', b'J', b'w'..=b'z', ..] => true,
        [b'e', b'J', ..] if run.len() >= LONG => true,
        _ => is_zlib(run),
    }
}

/// Whether the first [`LEAST`] characters are the beginning of a zlib stream that holds JSON. They are just enough
/// to tell it from words, whichever kind of block it begins with.
fn is_zlib(run: &[u8]) -> bool {
    let mut bits: u128 = 0;
    for byte in &run[..LEAST] {
        let Some(digit) = digit(*byte) else { return false };
        bits = bits << 6 | u128::from(digit);
    }
    let bytes = bits.to_be_bytes();
    let [method, flags, ref stream @ ..] = bytes[4..] else { return false };
    let header = u16::from_be_bytes([method, flags]);
    if method & 0x0f != 8 || method >> 4 > 7 || header % 31 != 0 || flags & 0x20 != 0 {
        return false;
    }
    // Bits are read from the lowest of the first byte on.
    let stream = stream.iter().rev().fold(0_u128, |stream, byte| stream << 8 | u128::from(*byte));
    let take = |from: u32, count: u32| stream >> from & ((1 << count) - 1);
    match take(1, 2) {
        // Stored: its length twice, once inverted.
        0 => take(8, 16) == !take(24, 16) & 0xffff,
        // Fixed codes: the first stands for the brace of an object, or for a space before it. It begins with its
        // highest bit.
        1 => {
            let code = (3..11).fold(0, |code, at| code << 1 | take(at, 1));
            code.checked_sub(0x30).is_some_and(|literal| [0x7b, 0x20, 0x09, 0x0a, 0x0d].contains(&literal))
        }
        // Codes of its own: the lengths of the first ones have to make a complete tree.
        2 => {
            let lengths = 4 + u32::try_from(take(13, 4)).unwrap_or(0);
            let leaves: u32 = (0..lengths)
                .map(|at| u32::try_from(take(17 + 3 * at, 3)).unwrap_or(0))
                .filter(|length| *length > 0)
                .map(|length| 128 >> length)
                .sum();
            take(3, 5) <= 29 && take(8, 5) <= 29 && leaves == 128
        }
        _ => false,
    }
}

/// The value of a character, in the alphabet of a UserSig or the ordinary one.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'*' | b'+' => Some(62),
        b'-' | b'/' => Some(63),
        _ => None,
    }
}
