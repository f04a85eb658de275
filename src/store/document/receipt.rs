//! The stored form of receipts.

use super::encoding::{Fault, Reader, Writer};
use crate::domain::Receipt;

/// The current format of receipts.
const FORMAT: u64 = 1;

/// Encodes a receipt.
pub(in crate::store) fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    let Receipt { group, items } = receipt;
    let mut out = Writer(Vec::with_capacity(8 + items.len()));
    out.number(FORMAT);
    // 0 stands for no group, because group ids begin with 1.
    out.number(group.unwrap_or(0).into());
    out.count(items.len());
    for item in items {
        out.number(*item);
    }
    out.0
}

/// Decodes a receipt.
///
/// # Errors
/// Returns a description of the damage.
pub(in crate::store) fn decode_receipt(bytes: &[u8]) -> Result<Receipt, Fault> {
    let mut input = Reader(bytes);
    input.format(FORMAT)?;
    let group = Some(input.small()?).filter(|group| *group != 0);
    let items = input.list(Reader::number)?;
    input.end()?;
    Ok(Receipt { group, items })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_back() {
        for group in [None, Some(1), Some(u32::MAX)] {
            for items in [vec![], vec![0, 1, u64::MAX]] {
                let receipt = Receipt { group, items };
                assert_eq!(decode_receipt(&encode_receipt(&receipt)), Ok(receipt));
            }
        }
        assert!(decode_receipt(&[1, 0, 2, 0]).is_err());
    }
}
