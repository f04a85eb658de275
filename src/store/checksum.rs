//! Checksums of rows, which reveal changed or misplaced rows when they are read.
//!
//! The checksum is XXH64 over the name of the table, the key and all other columns. It is part of the stored format.

use std::hash::Hasher;

use twox_hash::XxHash64;

/// The value of one column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column<'a> {
    Null,
    Number(i64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
}

/// Computes the checksum of a row from its key and then its other columns. The type and length of each column are
/// included, so that moving a byte from one column to the next changes the checksum. NULLs at the end are left out, so
/// that a table can get another column, which is NULL in the rows that exist.
pub(super) fn row_sum<'a>(table: &str, columns: impl IntoIterator<Item = Column<'a>>) -> i64 {
    let mut sum = XxHash64::with_seed(0);
    add(&mut sum, Column::Text(table.as_bytes()));
    let mut nulls = 0;
    for column in columns {
        if matches!(column, Column::Null) {
            nulls += 1;
            continue;
        }
        (0..nulls).for_each(|_| add(&mut sum, Column::Null));
        nulls = 0;
        add(&mut sum, column);
    }
    i64::from_le_bytes(sum.finish().to_le_bytes())
}

fn add(sum: &mut XxHash64, column: Column<'_>) {
    let (kind, bytes): (u8, &[u8]) = match column {
        Column::Null => (0, &[]),
        Column::Number(number) => {
            sum.write(&[1]);
            return sum.write(&number.to_le_bytes());
        }
        Column::Text(text) => (2, text),
        Column::Bytes(bytes) => (3, bytes),
    };
    sum.write(&[kind]);
    sum.write(&(bytes.len() as u64).to_le_bytes());
    sum.write(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_part_counts_and_so_does_its_place() {
        use Column::{Bytes, Null, Number, Text};
        let rows: [(&str, &[Column<'_>]); 11] = [
            ("a", &[]),
            ("b", &[]),
            ("a", &[Null, Number(0)]),
            ("a", &[Null, Null, Number(0)]),
            ("a", &[Number(0)]),
            ("a", &[Number(1)]),
            ("a", &[Text(b"")]),
            ("a", &[Bytes(b"")]),
            ("a", &[Text(b"xy"), Text(b"z")]),
            ("a", &[Text(b"x"), Text(b"yz")]),
            ("ax", &[Text(b"y"), Text(b"z")]),
        ];
        let sums: HashSet<i64> =
            rows.iter().map(|(table, row)| row_sum(table, row.iter().copied())).collect();
        assert_eq!(sums.len(), rows.len());
        // A column that was added later is NULL in the rows that existed.
        assert_eq!(row_sum("a", [Number(0), Null, Null]), row_sum("a", [Number(0)]));
    }

    #[test]
    fn the_algorithm_is_pinned() {
        // If this value changed, stored rows would count as damaged.
        let row = [Column::Number(1), Column::Text(b"user"), Column::Null, Column::Bytes(&[7])];
        assert_eq!(row_sum("organizer", row), 5_363_288_062_350_115_520);
    }
}
