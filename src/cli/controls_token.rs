//! The token for the controls of `dev`. It is needed only if other machines can reach the server.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, ensure};

use crate::{
    auth::Token,
    random,
    secret_file::{Readers, read_secret},
};

/// The minimum length of a token.
const MIN_LENGTH: usize = 16;
/// The length of a generated token.
const LENGTH: usize = 32;

/// The token, and the text that announces it to the user.
pub(super) struct ControlsToken {
    pub(super) token: Option<Token>,
    /// The text for the greeting; empty if no token is needed.
    pub(super) announcement: String,
}

impl ControlsToken {
    /// Reads the token from `file`, or generates one if other machines can reach the server. Otherwise, no token is
    /// needed.
    pub(super) fn of(
        file: Option<&Path>,
        listen: &[SocketAddr],
        has_proxies: bool,
    ) -> anyhow::Result<ControlsToken> {
        if let Some(file) = file {
            return ControlsToken::from_file(file);
        }
        let is_local = listen.iter().all(|address| address.ip().to_canonical().is_loopback());
        // A proxy on this machine can forward requests of other machines, although it connects from a loopback
        // address.
        if is_local && !has_proxies {
            return Ok(ControlsToken { token: None, announcement: String::new() });
        }
        let token = random::text(LENGTH, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
        let announcement = format!(
            "Other machines can reach this server, so requests to its controls under /_dev/ need this header (use \
             --controls-token-file to set your own token):\n  Authorization: Bearer {token}\n"
        );
        Ok(ControlsToken { token: Some(Token::new(&token)), announcement })
    }

    fn from_file(file: &Path) -> anyhow::Result<ControlsToken> {
        let text = read_secret(file, Readers::Nobody).context("--controls-token-file")?;
        ensure!(
            text.len() >= MIN_LENGTH,
            "--controls-token-file: the token has fewer than {MIN_LENGTH} characters"
        );
        let announcement = format!(
            "The controls under /_dev/ need a header with the token in {}:\n  Authorization: Bearer …\n",
            file.display()
        );
        Ok(ControlsToken { token: Some(Token::new(&text)), announcement })
    }
}
