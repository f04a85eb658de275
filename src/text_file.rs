//! Decoding of text files that users edit: the configuration, keys, certificates, lists of users. They may begin with a
//! byte order mark, because some editors write one. UTF-16, which some Windows programs write, gets an error of its own.

use std::{
    fs,
    io::{self, BufRead},
    path::Path,
};

/// The byte order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Why the content of a file cannot be decoded. The message follows the name of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFileError {
    /// The file is UTF-16.
    #[error("it is UTF-16; save it as UTF-8")]
    Utf16,
    /// The line with this number, counted from 1, is not UTF-8.
    #[error("line {0} is not valid UTF-8; save it as UTF-8")]
    Utf8(usize),
}

/// Decodes UTF-8 and removes a byte order mark.
///
/// # Errors
/// Returns [`TextFileError`].
pub fn decode(bytes: &[u8]) -> Result<String, TextFileError> {
    let bytes = without_bom(bytes)?;
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        TextFileError::Utf8(valid.split(|byte| *byte == b'\n').count())
    })?;
    Ok(text.to_owned())
}

/// Removes a byte order mark without decoding, for formats such as PEM whose comments may be in any encoding.
///
/// # Errors
/// Returns [`TextFileError::Utf16`].
pub fn without_bom(bytes: &[u8]) -> Result<&[u8], TextFileError> {
    if is_utf16(bytes) {
        return Err(TextFileError::Utf16);
    }
    Ok(bytes.strip_prefix(BOM).unwrap_or(bytes))
}

/// Reads and decodes a text file.
///
/// # Errors
/// Fails if the file cannot be read, or with [`io::ErrorKind::InvalidData`] and a [`TextFileError`] if it cannot be
/// decoded.
pub fn read(file: &Path) -> io::Result<String> {
    decode(&fs::read(file)?).map_err(refused)
}

/// Skips a byte order mark at the start of a reader.
///
/// # Errors
/// Fails if the reader fails, or with [`io::ErrorKind::InvalidData`] and [`TextFileError::Utf16`] if the text is
/// UTF-16.
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

/// Returns whether bytes look like UTF-16: they begin with its byte order mark, or with an ASCII character in two
/// bytes.
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
    fn a_byte_order_mark_is_removed_and_utf_16_is_refused() {
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
