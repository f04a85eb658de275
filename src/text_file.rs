//! Text files that people write – the configuration, keys, certificates, lists of users –, whichever program saved
//! them: UTF-8, with or without a byte order mark. UTF-16, which some editors and shells write, is refused by name.

use std::{
    fs,
    io::{self, BufRead},
    path::Path,
};

/// The byte order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Why the content of a file is not the text it should be. It reads on behind the name of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFileError {
    /// It is in the encoding of some Windows programs.
    #[error("it is UTF-16; save it as UTF-8")]
    Utf16,
    /// It is in another encoding, or no text at all.
    #[error("its line {0} is not UTF-8; save it as UTF-8")]
    Utf8(usize),
}

/// The text of these bytes, without the byte order mark.
///
/// # Errors
/// [`TextFileError`].
pub fn decode(bytes: &[u8]) -> Result<String, TextFileError> {
    let bytes = without_bom(bytes)?;
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        TextFileError::Utf8(valid.split(|byte| *byte == b'\n').count())
    })?;
    Ok(text.to_owned())
}

/// These bytes without the byte order mark, for a format that may have other bytes in its comments, as PEM has.
///
/// # Errors
/// [`TextFileError::Utf16`].
pub fn without_bom(bytes: &[u8]) -> Result<&[u8], TextFileError> {
    if is_utf16(bytes) {
        return Err(TextFileError::Utf16);
    }
    Ok(bytes.strip_prefix(BOM).unwrap_or(bytes))
}

/// Reads a text file.
///
/// # Errors
/// Those of the system, and [`TextFileError`] as one that says so.
pub fn read(file: &Path) -> io::Result<String> {
    decode(&fs::read(file)?).map_err(refused)
}

/// Passes over the byte order mark at the beginning of a text that is read piece by piece.
///
/// # Errors
/// Those of the reader, and [`TextFileError::Utf16`] as one that says so.
pub fn skip_bom(reader: &mut impl BufRead) -> io::Result<()> {
    let start = reader.fill_buf()?;
    if is_utf16(start) {
        return Err(refused(TextFileError::Utf16));
    }
    if start.starts_with(BOM) {
        reader.consume(BOM.len());
    }
    Ok(())
}

fn refused(reason: TextFileError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Whether bytes begin as UTF-16 does: with its mark, or with a character of ASCII in two bytes.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_passed_over_and_utf_16_is_named() {
        let text = |bytes: &[u8]| decode(bytes);
        assert_eq!(text(b"\xef\xbb\xbfabc"), Ok("abc".to_owned()));
        assert_eq!(text("ä\u{feff}".as_bytes()), Ok("ä\u{feff}".to_owned()), "only at the beginning");
        assert_eq!((text(b""), text(b"a")), (Ok(String::new()), Ok("a".to_owned())));
        for utf16 in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0b\0", b"\0a\0b"] {
            assert_eq!(text(utf16), Err(TextFileError::Utf16), "{utf16:?}");
            assert!(skip_bom(&mut &*utf16).is_err(), "{utf16:?}");
        }
        assert_eq!(text(b"good\nbad \xe9\n"), Err(TextFileError::Utf8(2)));
        let mut reader = &b"\xef\xbb\xbfabc"[..];
        skip_bom(&mut reader).unwrap();
        assert_eq!(reader, b"abc");
    }
}
