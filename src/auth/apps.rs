//! The apps this server answers for.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc};

use subtle::ConstantTimeEq;

use crate::{
    domain::{AppId, Directory, DirectoryMode, Limits, UnixSeconds},
    secret_word::{self, SecretWordError},
};

/// The key of an app, as the ASCII text by which signatures are made. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Arc<str>);

/// The key of app 1400000000, as it stands in the tests of the official signature libraries.
pub const SAMPLE_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
/// The key of app 88888888, which the documentation's sample request is about: nobody knows its real one.
pub const PAGE_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Keys with fewer characters can be guessed.
const MIN_CHARACTERS: usize = 32;

impl SecretKey {
    /// A key; official ones are 64 hexadecimal digits, any other word of ASCII characters works.
    ///
    /// # Errors
    /// What in it cannot be meant as a key, wherever it comes from: a file, a variable, a flag.
    pub fn new(text: &str) -> Result<SecretKey, SecretWordError> {
        secret_word::check(text).map(|()| SecretKey(text.into()))
    }

    /// Whether it is one of the keys of `confold dev`, which everybody knows.
    #[must_use]
    pub fn is_published(&self) -> bool {
        [SAMPLE_KEY, PAGE_KEY].iter().any(|known| known.eq_ignore_ascii_case(self.0.trim()))
    }

    /// Whether it is so short that it can be guessed.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.0.chars().count() < MIN_CHARACTERS
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// A word that opens the controls of a server. Never printed.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token.
    #[must_use]
    pub fn new(text: &str) -> Token {
        Token(text.into())
    }

    /// Whether somebody has said it. How long that takes does not tell how near he was.
    #[must_use]
    pub fn is(&self, said: &str) -> bool {
        self.0.as_bytes().ct_eq(said.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What an app has paid for (decision 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edition {
    /// Everything.
    #[default]
    Ultimate,
    /// Groups and standard marks cannot be written; custom marks and all reads can.
    Basic,
}

/// A key that was replaced. Programs that sign with it are let in until its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousKey {
    /// The key.
    pub key: SecretKey,
    /// The last second in which it is accepted.
    pub until: UnixSeconds,
}

/// How many calls a second of a command are allowed, as a configuration says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRates {
    /// Of commands that are named.
    pub named: Vec<(&'static str, u32)>,
    /// Of all others.
    pub others: Option<u32>,
}

impl CallRates {
    /// What is said about a command.
    #[must_use]
    pub fn of(&self, command: &str) -> Option<u32> {
        let named = self.named.iter().find(|(name, _)| *name == command);
        named.map(|(_, rate)| *rate).or(self.others)
    }

    /// These rates, and those of a wider setting where these say nothing.
    #[must_use]
    pub fn over(mut self, wider: &CallRates) -> CallRates {
        if self.others.is_none() {
            self.others = wider.others;
            let missing = |(name, _): &&(&str, u32)| self.named.iter().all(|(other, _)| other != name);
            let missing: Vec<_> = wider.named.iter().filter(missing).copied().collect();
            self.named.extend(missing);
        }
        self
    }
}

/// Which of the keys of an app has made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The one that signs.
    Current,
    /// The one before it.
    Previous,
}

/// One app: its key, its administrators and its settings.
#[derive(Clone, Debug)]
pub struct App {
    /// Its number.
    pub id: AppId,
    /// The key that signs for it; without one nobody can call (70016).
    pub key: Option<SecretKey>,
    /// The key before that one, while signatures made with it are still accepted.
    pub previous_key: Option<PreviousKey>,
    /// Who may call for it.
    pub admins: Vec<String>,
    /// Who must exist before he can be organized.
    pub directory: DirectoryMode,
    /// What its owners may write.
    pub edition: Edition,
    /// The limits of its owners.
    pub limits: Limits,
    /// Records per page of `get_contact_group`.
    pub page_size: usize,
    /// Whether it is switched off altogether (60016).
    pub disabled: bool,
    /// The services that are switched off, by their names in the path (60017).
    pub closed_services: Vec<String>,
    /// Until when its plan runs (60020 afterwards).
    pub plan_until: Option<UnixSeconds>,
    /// The addresses calls may come from; any when absent (60021).
    pub allowed_sources: Option<Vec<Network>>,
    /// Identifiers that are refused although they sign well (70051).
    pub denied: Vec<String>,
    /// Calls a second of single commands (60007 above), where they are not the command's own.
    pub rates: CallRates,
    /// Calls a second over all commands (60011 above).
    pub calls_per_second: Option<u32>,
    /// Failed signatures of one identifier and address in a minute (70050 above); 60 unless said
    /// otherwise.
    pub failed_signatures: Option<u32>,
}

impl App {
    /// An app with default settings.
    #[must_use]
    pub fn new(id: AppId, key: SecretKey, admins: Vec<String>) -> App {
        App { key: Some(key), admins, ..App::without_key(id) }
    }

    /// The keys by which signatures are accepted at this time. Without a key of its own an app has none.
    pub(super) fn keys(&self, now: UnixSeconds) -> impl Iterator<Item = (Generation, &SecretKey)> {
        let previous = self.previous_key.as_ref().filter(|previous| now <= previous.until);
        let previous = previous.map(|previous| (Generation::Previous, &previous.key));
        self.key.iter().flat_map(move |key| [Some((Generation::Current, key)), previous]).flatten()
    }

    /// An app with default settings that nobody can call yet.
    #[must_use]
    pub fn without_key(id: AppId) -> App {
        App {
            id,
            key: None,
            previous_key: None,
            admins: Vec::new(),
            directory: DirectoryMode::Strict,
            edition: Edition::Ultimate,
            limits: Limits::TENCENT,
            page_size: crate::domain::batch::PAGE,
            disabled: false,
            closed_services: Vec::new(),
            plan_until: None,
            allowed_sources: None,
            denied: Vec::new(),
            rates: CallRates::default(),
            calls_per_second: None,
            failed_signatures: Some(60),
        }
    }

    /// Who exists in it, whatever is stored: its administrators count as imported (decision 28).
    #[must_use]
    pub fn directory(&self) -> Directory<'_> {
        Directory { mode: self.directory, appointed: &self.admins }
    }
}

/// Addresses that share their first bits, written `10.1.0.0/16`; without a length one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

impl Network {
    /// Reads a network.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 =
            length.map_or(Some(bits), |length| length.parse().ok()).filter(|length| *length <= bits)?;
        // IPv4 addresses are the last 32 of the 128 bits.
        let mask = u128::MAX.checked_shl(bits - length).unwrap_or(0) | (u128::MAX << (bits - 1) << 1);
        Some(Network { address: as_bits(address) & mask, mask })
    }

    /// The addresses that are in both, which is the smaller of the two or nothing.
    #[must_use]
    pub fn common(self, other: Network) -> Option<Network> {
        let (small, large) = if self.mask & other.mask == self.mask { (other, self) } else { (self, other) };
        (small.address & large.mask == large.address).then_some(small)
    }

    /// Whether the address belongs to it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        as_bits(address) & self.mask == self.address
    }
}

/// An address as an IPv6 number, whichever way it was written.
fn as_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// All apps of this server.
#[derive(Clone, Debug, Default)]
pub struct Apps(HashMap<AppId, App>);

impl Apps {
    /// These apps; of two with one number the later counts.
    #[must_use]
    pub fn new(apps: impl IntoIterator<Item = App>) -> Apps {
        Apps(apps.into_iter().map(|app| (app.id, app)).collect())
    }

    /// The app of this number.
    #[must_use]
    pub fn get(&self, id: AppId) -> Option<&App> {
        self.0.get(&id)
    }

    /// All of them, by number.
    #[must_use]
    pub fn all(&self) -> Vec<&App> {
        let mut apps: Vec<&App> = self.0.values().collect();
        apps.sort_by_key(|app| app.id);
        apps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let contains = |network: &str, address: &str| {
            Network::parse(network).unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.1.0.0/16", "10.1.255.3") && !contains("10.1.0.0/16", "10.2.0.0"));
        assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("0.0.0.0/0", "9.9.9.9") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1") && !contains("2001:db8::/32", "2001:db9::1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1"), "an IPv4 address that came over IPv6");
        let network = |text| Network::parse(text).unwrap();
        for (one, other, common) in [
            ("10.1.0.0/16", "10.0.0.0/8", Some("10.1.0.0/16")),
            ("10.1.0.0/16", "10.1.0.0/16", Some("10.1.0.0/16")),
            ("10.1.0.0/16", "10.2.0.0/16", None),
            ("::/0", "127.0.0.1", Some("127.0.0.1")),
            ("0.0.0.0/0", "2001:db8::/32", None),
        ] {
            assert_eq!(network(one).common(network(other)), common.map(network), "{one} and {other}");
            assert_eq!(network(other).common(network(one)), common.map(network), "{other} and {one}");
        }
        for bad in ["", "x", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0/8"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
