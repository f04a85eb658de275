//! Names whose values are secret. Case, `_`, `-`, `.` and spaces are ignored, so `user_sig`, `UserSig` and `user.sig` are
//! the same name.

/// Secret names that are too common as the end of a longer name, such as `key` in `MsgKey`.
const WHOLE_NAMES: &[&str] =
    &["key", "sig", "sign", "tlssig", "auth", "pass", "pwd", "passwd", "secrets", "tokens"];

/// Names that are secret on their own and at the end of a longer name.
const SUFFIXES: &[&str] = &[
    "usersig",
    "signature",
    "secret",
    "token",
    "password",
    "passphrase",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "apikey",
    "appkey",
    "accesskey",
    "authkey",
    "secretkey",
    "privatekey",
    "signkey",
    "signingkey",
    "mapkey",
];

/// Returns whether values with this name are secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = normalized(name);
    WHOLE_NAMES.contains(&name.as_str()) || ends_with_any(&name, SUFFIXES)
}

/// Returns whether the value in prose of the form `name: value` is secret. This excludes words such as *key*, which
/// stand before a colon in many messages.
pub(super) fn is_secret_in_prose(name: &str) -> bool {
    let name = normalized(name);
    ["pwd", "passwd"].contains(&name.as_str()) || ends_with_any(&name, SUFFIXES)
}

/// Returns whether the name is that of an HTTP header whose value extends to the end of the line.
pub(super) fn is_header(name: &str) -> bool {
    ends_with_any(&normalized(name), &["authorization", "cookie"])
}

fn ends_with_any(name: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.ends_with(ending))
}

/// Returns the last 24 significant characters of a name in lower case. Because that is longer than every name above, a long
/// name that only ends with one of [`WHOLE_NAMES`] is not mistaken for it.
fn normalized(name: &str) -> String {
    let mut end: Vec<char> = (name.chars().rev())
        .filter(|character| !matches!(character, '_' | '-' | '.' | ' '))
        .take(24)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    end.reverse();
    end.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names_are_recognized_in_every_spelling() {
        for name in [
            "usersig",
            "UserSig",
            "user_sig",
            "USER-SIG",
            "TLS.sig",
            "sig",
            "key",
            "KEY",
            "secret",
            "webhook_secret",
            "client-secret",
            "access_token",
            "X-Auth-Token",
            "password",
            "Authorization",
            "Proxy-Authorization",
            "Set-Cookie",
            "PrivateMapKey",
            "apiKey",
            "Sign",
            "callback.secret",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "",
            "From_Account",
            "MsgKey",
            "monkey",
            "Keyword",
            "GroupId",
            "StandardMark",
            "CustomMark",
            "tokenizer",
            "design",
            "key_file",
            "tls.key",
            "identifier",
            "ErrorInfo",
            "Timestamp",
            "SdkAppId",
            "passenger",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(is_secret(&("x".repeat(100_000) + "_password")), "the end counts, however long the name is");
        assert!(!is_secret(&("key".repeat(20))));
    }
}
