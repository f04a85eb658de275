//! The apps of this server and their settings.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc};

use subtle::ConstantTimeEq;

use super::callback::Callback;
use crate::{
    domain::{AppId, DirectoryMode, DirectoryRules, Limits, MembershipMode, RecentRules, UnixSeconds},
    secret_word::{self, SecretWordError},
};

/// The secret key of an app, an ASCII text. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Arc<str>);

/// The key of app 1400000000, published in the tests of the official signature libraries.
pub const SAMPLE_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
/// A made-up key for app 88888888, which the sample request in the documentation uses.
pub const PAGE_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Keys with fewer characters are reported as too short.
const MIN_CHARACTERS: usize = 32;

impl SecretKey {
    /// Creates a key. Official keys are 64 hexadecimal digits, but any word of ASCII characters works.
    ///
    /// # Errors
    /// Fails if the text is empty or contains a character that keys do not have, such as a space.
    pub fn new(text: &str) -> Result<SecretKey, SecretWordError> {
        secret_word::check(text).map(|()| SecretKey(text.into()))
    }

    /// Returns whether this is one of the published keys of `confold dev`.
    #[must_use]
    pub fn is_published(&self) -> bool {
        [SAMPLE_KEY, PAGE_KEY].iter().any(|known| known.eq_ignore_ascii_case(self.0.trim()))
    }

    /// Returns whether the key is so short that it may be guessed.
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

/// A token that grants access to the controls of a server, or to the feed of an app. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Creates a token.
    #[must_use]
    pub fn new(text: &str) -> Token {
        Token(text.into())
    }

    /// Returns whether a string equals the token. The comparison takes constant time, so that it does not reveal a
    /// partial match.
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

/// The edition of an app, which limits what can be written (decision 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edition {
    /// Everything can be written.
    #[default]
    Ultimate,
    /// Groups and standard marks cannot be written; custom marks and all reads can.
    Basic,
}

/// What becomes of the message commands of an app (decision 34). Messages are never kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageMode {
    /// They are refused.
    #[default]
    Refuse,
    /// They are checked, answered and dropped, and move the recent list.
    Accept,
}

/// Extensions of the vendor's services that have to be switched on (decision 33).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// `recent`: the commands `top` and `batch_delete` of the service `recentcontact`.
    pub recent: bool,
}

impl Extensions {
    /// Adds an extension by its name. Returns `None` if there is none of this name.
    #[must_use]
    pub fn with(self, name: &str) -> Option<Extensions> {
        match name {
            "recent" => Some(Extensions { recent: true }),
            _ => None,
        }
    }
}

/// A key that was replaced. Signatures made with it are accepted for a limited time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousKey {
    /// The key.
    pub key: SecretKey,
    /// The last second in which it is accepted.
    pub until: UnixSeconds,
}

/// Limits on calls per second, by command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRates {
    /// The limits of named commands.
    pub named: Vec<(&'static str, u32)>,
    /// The limit of all other commands.
    pub others: Option<u32>,
}

impl CallRates {
    /// Returns the limit of a command, if one is set.
    #[must_use]
    pub fn of(&self, command: &str) -> Option<u32> {
        let named = self.named.iter().find(|(name, _)| *name == command);
        named.map(|(_, rate)| *rate).or(self.others)
    }

    /// Fills the gaps in these limits with those of a wider setting.
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

/// Which of an app's keys made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The current key.
    Current,
    /// The key that was replaced.
    Previous,
}

/// One app: its key, its administrators and its settings.
#[derive(Clone, Debug)]
pub struct App {
    /// The app id (SDKAppID).
    pub id: AppId,
    /// The current key; without one every call is refused (70016).
    pub key: Option<SecretKey>,
    /// The key that was replaced, while its signatures are still accepted.
    pub previous_key: Option<PreviousKey>,
    /// The administrators, who may call for the app.
    pub admins: Arc<Vec<String>>,
    /// Whether accounts and chat groups have to exist before they are used.
    pub directory: DirectoryMode,
    /// Whether owners have to be members of the chat groups that they organize (decision 30).
    pub membership: MembershipMode,
    /// What owners may write.
    pub edition: Edition,
    /// What becomes of message commands.
    pub messages: MessageMode,
    /// Whether messages also move the recent lists of administrators.
    pub touch_admins: bool,
    /// The limits of owners.
    pub limits: Limits,
    /// The number of records per page of `get_contact_group`.
    pub page_size: usize,
    /// Which sessions `get_list` shows.
    pub recent: RecentRules,
    /// The extensions that are switched on.
    pub extensions: Extensions,
    /// Whether all calls are refused (60016).
    pub disabled: bool,
    /// Services whose calls are refused (60017), by their names in the path.
    pub closed_services: Vec<String>,
    /// The last second of the app's plan (60020 afterwards).
    pub plan_until: Option<UnixSeconds>,
    /// The source addresses that may call (60021 for others); `None` allows all.
    pub allowed_sources: Option<Vec<Network>>,
    /// Identifiers that are refused even if their signature is valid (70051).
    pub denied: Vec<String>,
    /// Limits on calls per second that override the defaults of commands (60007 beyond them).
    pub rates: CallRates,
    /// The limit on calls per second across all commands (60011 beyond it).
    pub calls_per_second: Option<u32>,
    /// The token with which programs may read the feed without a signature.
    pub feed_token: Option<Token>,
    /// How many signatures of one identifier and source may fail per minute (70050 beyond that); `None` for no limit.
    pub failed_signatures: Option<u32>,
    /// How the app receives webhooks; `None` if it does not.
    pub callback: Option<Arc<Callback>>,
}

impl App {
    /// Creates an app with default settings.
    #[must_use]
    pub fn new(id: AppId, key: SecretKey, admins: Vec<String>) -> App {
        App { key: Some(key), admins: Arc::new(admins), ..App::without_key(id) }
    }

    /// Returns the keys whose signatures are accepted at this time. Without a current key there are none.
    pub(super) fn keys(&self, now: UnixSeconds) -> impl Iterator<Item = (Generation, &SecretKey)> {
        let previous = self.previous_key.as_ref().filter(|previous| now <= previous.until);
        let previous = previous.map(|previous| (Generation::Previous, &previous.key));
        self.key.iter().flat_map(move |key| [Some((Generation::Current, key)), previous]).flatten()
    }

    /// Creates an app with default settings and without a key.
    #[must_use]
    pub fn without_key(id: AppId) -> App {
        App {
            id,
            key: None,
            previous_key: None,
            admins: Arc::default(),
            directory: DirectoryMode::Strict,
            membership: MembershipMode::Ignore,
            edition: Edition::Ultimate,
            messages: MessageMode::Refuse,
            touch_admins: false,
            limits: Limits::TENCENT,
            page_size: crate::domain::batch::PAGE,
            recent: RecentRules::default(),
            extensions: Extensions::default(),
            disabled: false,
            closed_services: Vec::new(),
            plan_until: None,
            allowed_sources: None,
            denied: Vec::new(),
            rates: CallRates::default(),
            calls_per_second: None,
            feed_token: None,
            failed_signatures: Some(60),
            callback: None,
        }
    }

    /// Returns the rules for which accounts exist. Administrators always count as imported (decision 28).
    #[must_use]
    pub fn directory(&self) -> DirectoryRules<'_> {
        DirectoryRules { mode: self.directory, appointed: &self.admins }
    }
}

/// A network in CIDR notation, such as `10.1.0.0/16`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

impl Network {
    /// Parses a network.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 =
            length.map_or(Some(bits), |length| length.parse().ok()).filter(|length| *length <= bits)?;
        // IPv4 addresses are stored as IPv4-mapped IPv6 addresses, whose last 32 bits they are.
        let mask = u128::MAX.checked_shl(bits - length).unwrap_or(0) | (u128::MAX << (bits - 1) << 1);
        Some(Network { address: as_bits(address) & mask, mask })
    }

    /// Returns the intersection of two networks: the smaller one if the other contains it, otherwise nothing.
    #[must_use]
    pub fn common(self, other: Network) -> Option<Network> {
        let (small, large) = if self.mask & other.mask == self.mask { (other, self) } else { (self, other) };
        (small.address & large.mask == large.address).then_some(small)
    }

    /// Returns whether the network contains an address.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        as_bits(address) & self.mask == self.address
    }
}

/// Converts an address to the number of its IPv6 form.
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
    /// Collects apps; of several with the same id the last is used.
    #[must_use]
    pub fn new(apps: impl IntoIterator<Item = App>) -> Apps {
        Apps(apps.into_iter().map(|app| (app.id, app)).collect())
    }

    /// Returns the app with this id.
    #[must_use]
    pub fn get(&self, id: AppId) -> Option<&App> {
        self.0.get(&id)
    }

    /// Returns all apps, sorted by id.
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
