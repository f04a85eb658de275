//! The apps this server answers for.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::domain::{AppId, DirectoryMode, Limits};

/// The key of an app, as the ASCII text by which signatures are made. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Arc<str>);

impl SecretKey {
    /// A key; official ones are 64 hexadecimal digits, any text that is not empty works.
    #[must_use]
    pub fn new(text: &str) -> Option<SecretKey> {
        (!text.is_empty()).then(|| SecretKey(text.into()))
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

/// One app: its key, its administrators and its settings.
#[derive(Clone, Debug)]
pub struct App {
    /// Its number.
    pub id: AppId,
    /// The key that signs for it.
    pub key: SecretKey,
    /// Who may call for it.
    pub admins: Vec<String>,
    /// Who must exist before he can be organized.
    pub directory: DirectoryMode,
    /// The limits of its owners.
    pub limits: Limits,
    /// Records per page of `get_contact_group`.
    pub page_size: usize,
}

impl App {
    /// An app with default settings.
    #[must_use]
    pub fn new(id: AppId, key: SecretKey, admins: Vec<String>) -> App {
        App {
            id,
            key,
            admins,
            directory: DirectoryMode::Strict,
            limits: Limits::TENCENT,
            page_size: crate::domain::batch::PAGE,
        }
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
