//! Detects the encoding of text. Lines are UTF-8, with or without a byte order mark. Files may be compressed with
//! gzip; anything else is refused by name.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// The byte order mark that Windows editors write at the start of UTF-8 files.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The first bytes of gzip files.
const GZIP: &[u8] = b"\x1F\x8B";
/// The first bytes of compressed files, with the words that error messages use for them.
const COMPRESSED: [(&[u8], &str); 5] = [
    (GZIP, "gzip data"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xB5\x2F\xFD", "zstd data"),
    (b"\xFD7zXZ", "xz data"),
    (b"BZh", "bzip2 data"),
];

/// Removes a byte order mark. Any line may have one, because several files with marks may have been
/// concatenated.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Returns why text that begins like this cannot be read, if its encoding is not supported.
pub(super) fn foreign(text: &[u8]) -> Option<String> {
    if is_utf16(text) {
        let cure = "write it as UTF-8, for example with iconv -f UTF-16 -t UTF-8";
        return Some(format!("the text is UTF-16, but lines must be UTF-8; {cure}"));
    }
    let (_, name) = COMPRESSED.iter().find(|(beginning, _)| text.starts_with(beginning))?;
    Some(format!(
        "this is {name}, not lines; decompress it first (confold import and confold dev --seed read files in gzip)"
    ))
}

/// Detects UTF-16 of either byte order, with or without a mark: the first characters of JSON are ASCII, so one byte of each is zero.
fn is_utf16(text: &[u8]) -> bool {
    let ascii = |byte: u8| byte != 0 && byte.is_ascii();
    match *text {
        [0xFF, 0xFE, _, 0, ..] | [0xFE, 0xFF, 0, _, ..] => true,
        [first, 0, second, 0, ..] | [0, first, 0, second, ..] => ascii(first) && ascii(second),
        _ => false,
    }
}

/// Returns the content of a file, decompressed if it is a gzip file.
///
/// # Errors
/// Fails if the first bytes cannot be read.
pub fn uncompressed<'a>(mut file: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut beginning = Vec::new();
    file.by_ref().take(GZIP.len() as u64).read_to_end(&mut beginning)?;
    let is_packed = beginning == GZIP;
    let whole = io::Cursor::new(beginning).chain(BufReader::with_capacity(1 << 16, file));
    match is_packed {
        true => Ok(Box::new(Unpacked(MultiGzDecoder::new(whole)))),
        false => Ok(Box::new(whole)),
    }
}

/// Decompresses a file, and replaces the error messages of the library with clearer ones.
struct Unpacked<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        self.0.read(buffer).map_err(|error| match error.kind() {
            UnexpectedEof => io::Error::new(UnexpectedEof, "the gzip file ends too early; it was cut off"),
            InvalidData | InvalidInput => io::Error::new(InvalidData, "the gzip file is damaged"),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool, little: bool) -> Vec<u8> {
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn other_encodings_are_known_by_their_beginnings() {
        for (mark, little) in [(true, true), (true, false), (false, true), (false, false)] {
            for text in ["{\"Kind\":\"account\"}", "\r\n{\"Kind\"", "  {"] {
                let said = foreign(&utf16(text, mark, little)).unwrap();
                assert!(said.starts_with("the text is UTF-16, "), "{said}");
            }
        }
        for (beginning, name) in COMPRESSED {
            assert!(foreign(beginning).unwrap().starts_with(&format!("this is {name}, ")));
        }
        for text in [&b"{\"a\":1}"[..], b"", b"\xEF\xBB\xBF{}", b"\xff\xfe", b"\0", b"\0\0\0\0", b"B"] {
            assert_eq!(foreign(text), None, "{text:?}");
        }
    }
}
