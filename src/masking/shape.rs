//! Recognition of a UserSig by its shape: base64 of a zlib stream, with `*-_` in place of `+/=`.

/// How many characters of a signature are enough to recognize it. Messages quote only the beginning of long texts.
const MIN_LENGTH: usize = 16;

/// A run of this length that begins with `eJ` is a signature, because no word is that long.
const CERTAIN_LENGTH: usize = 64;

/// Returns whether a byte can be part of a run that may contain a signature: a character of its alphabet or of ordinary
/// base64, or part of an escape (`%2A`, `\u002a`) for such a character.
pub(super) fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"*-_+/=%\\.".contains(&byte)
}

/// Returns the end of the run that begins at `at`.
pub(super) fn run_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| !in_run(*byte)).map_or(bytes.len(), |length| at + length)
}

/// Finds a signature that begins within the first `within` bytes of a run.
pub(super) fn signature(run: &[u8], within: usize) -> Option<usize> {
    (0..within.min((run.len() + 1).saturating_sub(MIN_LENGTH))).find(|start| begins(&run[*start..]))
}

/// Returns whether a run contains a signature once its escapes are decoded.
pub(super) fn is_escaped_signature(run: &str) -> bool {
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
        // The last two digits are enough, because a signature is ASCII.
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

/// Returns the end of a signature whose first run ends at `end`. Some programs break long base64 into lines, so the runs
/// on the following lines belong to it, too.
pub(super) fn joined_end(text: &str, mut end: usize) -> usize {
    loop {
        let rest = text[end..].trim_start_matches(['\r', '\n', char::REPLACEMENT_CHARACTER]);
        if rest.len() == text.len() - end {
            return end;
        }
        let next = text.len() - rest.trim_start_matches([' ', '\t']).len();
        let next_end = if next < text.len() { run_end(text.as_bytes(), next) } else { next };
        if next_end - next < MIN_LENGTH && next_end < text.len() {
            return end;
        }
        end = next_end;
    }
}

/// Returns whether a run begins with a signature. At the default compression level its first three characters are `eJw`
/// to `eJz` (`eJ` is enough in a long run); at other levels the first bytes of the zlib stream decide.
fn begins(run: &[u8]) -> bool {
    match run {
        [b'e', b'J', b'w'..=b'z', ..] => true,
        [b'e', b'J', ..] if run.len() >= CERTAIN_LENGTH => true,
        _ => is_zlib(run),
    }
}

/// Returns whether the first [`MIN_LENGTH`] characters are the beginning of a zlib stream that contains JSON. That many
/// are needed to distinguish all three types of deflate blocks from ordinary words.
fn is_zlib(run: &[u8]) -> bool {
    let mut bits: u128 = 0;
    for byte in &run[..MIN_LENGTH] {
        let Some(digit) = digit(*byte) else { return false };
        bits = bits << 6 | u128::from(digit);
    }
    let bytes = bits.to_be_bytes();
    let [method, flags, ref stream @ ..] = bytes[4..] else { return false };
    let header = u16::from_be_bytes([method, flags]);
    if method & 0x0f != 8 || method >> 4 > 7 || header % 31 != 0 || flags & 0x20 != 0 {
        return false;
    }
    // Deflate reads bits from the lowest bit of the first byte on.
    let stream = stream.iter().rev().fold(0_u128, |stream, byte| stream << 8 | u128::from(*byte));
    let take = |from: u32, count: u32| stream >> from & ((1 << count) - 1);
    match take(1, 2) {
        // A stored block begins with its length, followed by the inverted length.
        0 => take(8, 16) == !take(24, 16) & 0xffff,
        // Fixed Huffman codes: the first literal must be `{` or white space. Codes begin with their highest bit.
        1 => {
            let code = (3..11).fold(0, |code, at| code << 1 | take(at, 1));
            code.checked_sub(0x30).is_some_and(|literal| [0x7b, 0x20, 0x09, 0x0a, 0x0d].contains(&literal))
        }
        // Dynamic Huffman codes: the code lengths of the code length alphabet must form a complete tree.
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

/// Returns the value of a character in the alphabet of a UserSig or of ordinary base64.
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
