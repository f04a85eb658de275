//! The names of secrets. Case, `_`, `-` and `.` do not count: `user_sig`, `UserSig` and `user.sig` are one name.

/// Names that are secret when they stand alone; as the end of a longer name they are too common.
const ALONE: &[&str] =
    &["key", "sig", "sign", "tlssig", "auth", "pass", "pwd", "passwd", "secrets", "tokens"];

/// Names that are secret alone and at the end of a longer name.
const ENDINGS: &[&str] = &[
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

/// Whether values of this name are secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = normalized(name);
    ALONE.contains(&name.as_str()) || ends_like(&name, ENDINGS)
}

/// Whether `name: value` in prose shows a secret. Words such as *key* stand before a colon in many messages.
pub(super) fn is_secret_in_prose(name: &str) -> bool {
    let name = normalized(name);
    ["pwd", "passwd"].contains(&name.as_str()) || ends_like(&name, ENDINGS)
}

/// Whether it is a header whose value goes on to the end of the line.
pub(super) fn is_header(name: &str) -> bool {
    ends_like(&normalized(name), &["authorization", "cookie"])
}

fn ends_like(name: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.ends_with(ending))
}

/// The end of a name, as far as it counts. It is longer than any of the names above, so that the beginning of a
/// long name is never taken for the whole.
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
    fn names_of_secrets_are_known_in_every_spelling_and_others_are_not() {
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
