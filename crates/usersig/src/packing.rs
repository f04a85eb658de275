//! The outer encoding of a UserSig: a zlib stream in base64 with `*-_` for `+/=`.

use std::io::{Read, Write};

use base64::{
    Engine,
    alphabet::Alphabet,
    engine::general_purpose::{GeneralPurpose, NO_PAD},
};

use crate::{Flaw, MAX_INFLATED, MAX_TEXT};

/// Base64 with `*` for `+` and `-` for `/`. The padding is handled by the functions below.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-") {
        Ok(alphabet) => alphabet,
        Err(_) => unreachable!(),
    },
    NO_PAD,
);

/// Compresses and encodes; the padding is written as `_`.
pub(crate) fn pack(content: &[u8]) -> String {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(content).expect("writing to memory cannot fail");
    let mut text = ENGINE.encode(packer.finish().expect("writing to memory cannot fail"));
    while !text.len().is_multiple_of(4) {
        text.push('_');
    }
    text
}

/// Decodes and decompresses, within [`MAX_TEXT`] and [`MAX_INFLATED`]. The padding may be missing.
pub(crate) fn unpack(text: &str) -> Result<Vec<u8>, Flaw> {
    match text.len() {
        0 => return Err(Flaw::Empty),
        1..=MAX_TEXT => {}
        _ => return Err(Flaw::TooLong),
    }
    let packed = ENGINE.decode(text.trim_end_matches('_')).map_err(|_| Flaw::Base64)?;
    let mut content = Vec::with_capacity(512);
    let limit = MAX_INFLATED as u64 + 1;
    let mut inflated = flate2::read::ZlibDecoder::new(&*packed).take(limit);
    inflated.read_to_end(&mut content).map_err(|_| Flaw::Zlib)?;
    match content.len() {
        0..=MAX_INFLATED => Ok(content),
        _ => Err(Flaw::TooLarge),
    }
}
