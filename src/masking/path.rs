//! Masks the secret in the path of a webhook that an app receives: `/callback/<app>/<secret>`.

use std::borrow::Cow;

/// The segment before the app and the secret.
const CALLBACK: &str = "callback";

/// Masks a secret in a path. Everything after the app is replaced, and the app as well unless it is a number, because a
/// misspelt path may have the secret in its place.
#[must_use]
pub fn path(path: &str) -> Cow<'_, str> {
    let lower = path.to_ascii_lowercase();
    let found = lower.match_indices(CALLBACK).map(|(at, name)| at + name.len());
    let Some(end) = { found }.find(|end| lower[*end..].starts_with(['/', '%'])) else {
        return Cow::Borrowed(path);
    };
    let (before, rest) = path.split_at(end + 1);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let app = match (digits, rest.as_bytes().get(digits)) {
        (1..=10, None) => return Cow::Borrowed(path),
        (1..=10, Some(b'/')) => &rest[..=digits],
        _ => "",
    };
    match rest.len() > app.len() && before.ends_with('/') || !app.is_empty() {
        true => Cow::Owned(format!("{before}{app}{}", super::MARK)),
        false if rest.is_empty() => Cow::Borrowed(path),
        false => Cow::Owned(format!("{}{}", &path[..end], super::MARK)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_a_webhook_is_masked_in_every_spelling() {
        for (full, shown) in [
            ("/callback/1400000000/s3cret-s3cret-s3cret", "/callback/1400000000/…"),
            ("/callback/1400000000/", "/callback/1400000000/…"),
            ("/callback/1400000000", "/callback/1400000000"),
            ("/callback/1400000000/s3cret/more", "/callback/1400000000/…"),
            ("/callback/s3cret-s3cret-s3cret", "/callback/…"),
            ("/callback/12345678901234567890", "/callback/…"),
            ("/callback//s3cret", "/callback/…"),
            ("//callback/7/s3cret", "//callback/7/…"),
            ("/CallBack/7/s3cret", "/CallBack/7/…"),
            ("/v4/callback/7/s3cret", "/v4/callback/7/…"),
            ("/callback%2F7%2Fs3cret", "/callback…"),
            ("/callback7/callback/7/s3cret", "/callback7/callback/7/…"),
            ("/callback/", "/callback/"),
            ("/callback", "/callback"),
            ("/callbacks/list", "/callbacks/list"),
            ("/v4/recentcontact/get_list", "/v4/recentcontact/get_list"),
        ] {
            assert_eq!(path(full), shown, "{full}");
        }
    }
}
