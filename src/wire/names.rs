//! Finds the known name that a caller most likely meant.

/// Returns the name most similar to `wanted`, if there is one that differs only in case, underscores or a few
/// letters.
#[must_use]
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        name.to_ascii_lowercase()
    };
    let letters = plain(wanted);
    // A much longer name cannot be a typing error, and comparing it would cost time.
    names
        .filter(|name| name.len() <= 2 * wanted.len() + 8)
        .map(|name| (strsim::levenshtein(&letters, &plain(name)), name))
        .filter(|(distance, _)| *distance <= letters.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_letters_may_differ() {
        let found = |wanted, name| nearest(wanted, std::iter::once(name)).is_some();
        for (wanted, name) in [
            ("From_Account", "fromaccount"),
            ("From_Account", "FromAcount"),
            ("From_Account", "Form_Account"),
            ("From_Account", "XXom_Account"),
            ("Name", "Nane"),
        ] {
            assert!(found(wanted, name), "{name}");
        }
        for (wanted, name) in [
            ("From_Account", "XXXX_Account"),
            ("Name", "Neme1"),
            ("Name", "Game12"),
            ("GroupId", "GroupName"),
            ("GroupContactItem", "ContactItem"),
        ] {
            assert!(!found(wanted, name), "{name}");
        }
        assert_eq!(nearest("Type", ["Tipe", "type"].into_iter()), Some("type"), "the nearest one");
    }
}
