//! Accounts, and the fields of a profile: their tags, and the values that they may have.

/// An imported account with its profile. No rule depends on these values, which are stored for the clients that set
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The nickname; empty if it was never set.
    pub nick: String,
    /// The address of the portrait; empty if it was never set.
    pub face_url: String,
    /// The other fields of the profile.
    pub profile: Profile,
}

/// The fields of a profile apart from the nickname and the portrait, in the order of their tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile(Vec<(ProfileTag, ProfileValue)>);

/// What a field of a profile contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileValue {
    /// A string.
    Text(Box<str>),
    /// A number.
    Number(u32),
}

/// The values that a field may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileKind {
    /// A string of at most this many bytes.
    Text(usize),
    /// One of these strings. A field that is cleared gets the first one.
    Word(&'static [&'static str]),
    /// A number.
    Number,
}

macro_rules! tags {
    ($($name:ident $text:literal $kind:expr;)+) => {
        /// The tag of a field.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProfileTag {
            $(#[doc = concat!("`Tag_Profile_IM_", $text, "`")] $name,)+
            /// A field of the app's own, with the part of its tag after [`ProfileTag::CUSTOM`].
            Custom(Box<str>),
        }

        impl ProfileTag {
            /// All tags that are the same in every app.
            pub const STANDARD: &[ProfileTag] = &[$(ProfileTag::$name),+];

            /// Returns the tag as text.
            #[must_use]
            pub fn name(&self) -> String {
                match self {
                    $(ProfileTag::$name => concat!("Tag_Profile_IM_", $text).to_owned(),)+
                    ProfileTag::Custom(key) => format!("{}{key}", ProfileTag::CUSTOM),
                }
            }

            /// Returns the values that the field may have.
            #[must_use]
            pub fn kind(&self) -> ProfileKind {
                match self {
                    $(ProfileTag::$name => $kind,)+
                    ProfileTag::Custom(_) => ProfileKind::Text(TEXT_BYTES),
                }
            }

            /// Reads a tag, or returns `None` if there is no such tag. Every well-formed tag of an app exists.
            #[must_use]
            pub fn parse(text: &str) -> Option<ProfileTag> {
                match text {
                    $(concat!("Tag_Profile_IM_", $text) => Some(ProfileTag::$name),)+
                    _ => {
                        let key = text.strip_prefix(ProfileTag::CUSTOM)?;
                        let is_key = (1..=8).contains(&key.len()) && key.bytes().all(|c| c.is_ascii_alphabetic());
                        is_key.then(|| ProfileTag::Custom(key.into()))
                    }
                }
            }
        }
    };
}

/// The maximum length of most strings, in bytes.
const TEXT_BYTES: usize = 500;

tags! {
    Nick "Nick" ProfileKind::Text(TEXT_BYTES);
    Image "Image" ProfileKind::Text(TEXT_BYTES);
    Gender "Gender" ProfileKind::Word(&["Gender_Type_Unknown", "Gender_Type_Female", "Gender_Type_Male"]);
    BirthDay "BirthDay" ProfileKind::Number;
    Location "Location" ProfileKind::Text(16);
    SelfSignature "SelfSignature" ProfileKind::Text(TEXT_BYTES);
    AllowType "AllowType"
        ProfileKind::Word(&["AllowType_Type_NeedConfirm", "AllowType_Type_AllowAny", "AllowType_Type_DenyAny"]);
    Language "Language" ProfileKind::Number;
    MsgSettings "MsgSettings" ProfileKind::Number;
    AdminForbidType "AdminForbidType" ProfileKind::Word(&["AdminForbid_Type_None", "AdminForbid_Type_SendOut"]);
    Level "Level" ProfileKind::Number;
    Role "Role" ProfileKind::Number;
}

impl ProfileTag {
    /// What the tags of an app's own fields begin with.
    pub const CUSTOM: &str = "Tag_Profile_Custom_";
}

impl Profile {
    /// The most fields with tags of an app's own that one profile may have.
    pub const MOST_CUSTOM: usize = 100;

    /// Returns the fields, in the order of their tags.
    #[must_use]
    pub fn fields(&self) -> &[(ProfileTag, ProfileValue)] {
        &self.0
    }

    /// Returns the number of bytes that the values take, for limiting the memory of caches.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = |(_, value): &(ProfileTag, ProfileValue)| match value {
            ProfileValue::Text(text) => 64 + text.len(),
            ProfileValue::Number(_) => 48,
        };
        self.0.iter().map(bytes).sum()
    }

    /// Checks whether there are more fields of the app's own than a profile may have.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        let is_custom = |(tag, _): &&(ProfileTag, ProfileValue)| matches!(tag, ProfileTag::Custom(_));
        self.0.iter().filter(is_custom).count() > Profile::MOST_CUSTOM
    }

    fn set(&mut self, tag: ProfileTag, value: Option<ProfileValue>) {
        match (self.0.binary_search_by(|(other, _)| other.cmp(&tag)), value) {
            (Ok(at), Some(value)) => self.0[at].1 = value,
            (Ok(at), None) => drop(self.0.remove(at)),
            (Err(at), Some(value)) => self.0.insert(at, (tag, value)),
            (Err(_), None) => {}
        }
    }
}

impl Account {
    /// Returns the value of a field, or `None` if it was never set or was cleared.
    #[must_use]
    pub fn value(&self, tag: &ProfileTag) -> Option<ProfileValue> {
        let text = |text: &String| (!text.is_empty()).then(|| ProfileValue::Text(text.as_str().into()));
        match tag {
            ProfileTag::Nick => text(&self.nick),
            ProfileTag::Image => text(&self.face_url),
            tag => {
                let at = self.profile.0.binary_search_by(|(other, _)| other.cmp(tag)).ok()?;
                Some(self.profile.0[at].1.clone())
            }
        }
    }

    /// Sets a field, or clears it if the value is `None` or an empty string. A cleared field that has to be one of a few
    /// words gets the first of them.
    pub fn set(&mut self, tag: ProfileTag, value: Option<ProfileValue>) {
        let value = value.filter(|value| *value != ProfileValue::Text("".into()));
        let text = |value| match value {
            Some(ProfileValue::Text(text)) => String::from(text),
            _ => String::new(),
        };
        match (&tag, tag.kind()) {
            (ProfileTag::Nick, _) => self.nick = text(value),
            (ProfileTag::Image, _) => self.face_url = text(value),
            (_, ProfileKind::Word(words)) => {
                let value = value.unwrap_or_else(|| ProfileValue::Text(words[0].into()));
                self.profile.set(tag, Some(value));
            }
            _ => self.profile.set(tag, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> ProfileValue {
        ProfileValue::Text(text.into())
    }

    #[test]
    fn tags_are_read_back_and_others_do_not_exist() {
        for tag in ProfileTag::STANDARD.iter().chain([&ProfileTag::Custom("Test".into())]) {
            assert_eq!(ProfileTag::parse(&tag.name()).as_ref(), Some(tag));
        }
        for bad in ["", "faceURL", "Tag_Profile_IM_Birthday", "Tag_Profile_IM_nick", "Tag_Profile_Custom_"] {
            assert_eq!(ProfileTag::parse(bad), None, "{bad}");
        }
        for bad in ["Ninechars", "a1", "a_b", "é", "a b"] {
            assert_eq!(ProfileTag::parse(&format!("Tag_Profile_Custom_{bad}")), None, "{bad}");
        }
    }

    #[test]
    fn fields_are_set_replaced_and_cleared() {
        let mut account = Account::default();
        for tag in ProfileTag::STANDARD {
            assert_eq!(account.value(tag), None);
        }
        account.set(ProfileTag::Nick, Some(text("Ann")));
        account.set(ProfileTag::Level, Some(ProfileValue::Number(0)));
        account.set(ProfileTag::BirthDay, Some(ProfileValue::Number(19_900_101)));
        account.set(ProfileTag::Level, Some(ProfileValue::Number(3)));
        account.set(ProfileTag::Custom("Test".into()), Some(text("x")));
        account.set(ProfileTag::Gender, Some(text("Gender_Type_Male")));
        assert_eq!((account.nick.as_str(), account.value(&ProfileTag::Nick)), ("Ann", Some(text("Ann"))));
        assert_eq!(account.value(&ProfileTag::Level), Some(ProfileValue::Number(3)));
        let tags = |account: &Account| -> Vec<String> {
            account.profile.fields().iter().map(|(tag, _)| tag.name()).collect()
        };
        let rest = ["Tag_Profile_IM_Gender", "Tag_Profile_IM_BirthDay", "Tag_Profile_IM_Level"];
        assert_eq!(tags(&account), [&rest[..], &["Tag_Profile_Custom_Test"]].concat());
        account.set(ProfileTag::Nick, Some(text("")));
        account.set(ProfileTag::Custom("Test".into()), Some(text("")));
        account.set(ProfileTag::Level, None);
        account.set(ProfileTag::Gender, None);
        assert_eq!(account.value(&ProfileTag::Nick), None);
        assert_eq!(account.value(&ProfileTag::Gender), Some(text("Gender_Type_Unknown")));
        assert_eq!(tags(&account), rest[..2]);
    }
}
