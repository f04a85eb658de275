//! The last step of reading a configuration: checks that involve several settings, or the files that they name.

use std::{net::SocketAddr, path::Path};

use super::{
    Config,
    read_app::ReadApp,
    reading::{Reading, chain},
    server_keys::ServerDraft,
};
use crate::{
    auth::{App, Token},
    domain::UnixSeconds,
    log_lines::{self, Finding},
    secret_file::{Readers, check_private, read_secret},
    store::{StoreConfig, survey},
    tls::Certificates,
};

impl Reading<'_> {
    /// Checks the settings against each other and combines them into a configuration. The files of the certificate, the
    /// token and the store are checked only if `files` is given, which is the time at which the certificate must be
    /// valid.
    pub(super) fn finish(
        &mut self,
        draft: ServerDraft,
        apps: &[ReadApp],
        files: Option<UnixSeconds>,
    ) -> Option<Config> {
        let mut known: Vec<App> = Vec::new();
        for (at, app) in apps.iter().filter_map(|read| Some((&read.at, read.app.as_ref()?))) {
            match known.iter().any(|other| other.id == app.id) {
                true => self.problem(*at, format!("there are two apps with the id {}", app.id)),
                false => known.push(of_server(app, &draft)),
            }
        }
        known.sort_by_key(|app| app.id);
        let file = self.file.display().to_string();
        let mut doubts = None;
        let refused = self.refused.clone();
        let is_missing = |key: &str| !refused.contains(&key);
        let mut wrong = |said: String| self.problems.push((usize::MAX, format!("{file}: {said}")));
        if apps.is_empty() {
            wrong("there is no app; add one under [[app]] with id, key_file and admins".to_owned());
        }
        if draft.listen.is_empty() && draft.tls_listen.is_empty() {
            wrong("the server has no address to listen on: both listen and tls.listen are empty".to_owned());
        }
        overlaps(&draft.listen, &draft.tls_listen).into_iter().for_each(&mut wrong);
        if draft.limits.bodies_bytes < draft.limits.body_bytes {
            wrong(format!(
                "limits.bodies is {} bytes, which is less than limits.body allows for one call ({} bytes): raise \
                 limits.bodies, or lower limits.body",
                draft.limits.bodies_bytes, draft.limits.body_bytes
            ));
        }
        let tls_files = match (draft.certificate, draft.key) {
            (Some(certificate), Some(key)) => {
                if let Some(now) = files {
                    let (found, doubt) = check_tls(&certificate, &key, draft.key_readers, now);
                    found.into_iter().for_each(&mut wrong);
                    doubts = doubt;
                }
                Some((certificate, key))
            }
            (Some(_), None) if is_missing("tls.key") => {
                wrong("tls.certificate needs its key: set tls.key".to_owned());
                None
            }
            (None, Some(_)) if is_missing("tls.certificate") => {
                wrong("tls.key needs its certificate: set tls.certificate".to_owned());
                None
            }
            // Neither is set, or a problem with the missing one is reported already.
            _ => None,
        };
        let is_clear = is_missing("tls.certificate") && is_missing("tls.key");
        if !draft.tls_listen.is_empty() && tls_files.is_none() && is_clear {
            wrong("tls.listen needs a certificate: set tls.certificate and tls.key".to_owned());
        }
        let token = draft.token_file.as_deref().filter(|_| files.is_some());
        let token = match token.map(|file| read_secret(file, draft.key_readers)) {
            Some(Ok(text)) if text.len() < 16 => {
                wrong("controls.token_file: the token has fewer than 16 characters".to_owned());
                None
            }
            Some(Ok(text)) => Some(Token::new(&text)),
            Some(Err(error)) => {
                wrong(format!("controls.token_file: {}", chain(&error)));
                None
            }
            None => None,
        };
        let Some(directory) = draft.directory else {
            if is_missing("store.directory") {
                wrong("store.directory is missing; set it to the folder for the data".to_owned());
            }
            return None;
        };
        if files.is_some()
            && let Err(error) = survey(&StoreConfig { directory: directory.clone(), ..draft.store.clone() })
        {
            wrong(format!("store.directory: {}", chain(&error)));
        }
        self.warnings.extend(doubts);
        Some(Config {
            listen: draft.listen,
            tls_listen: draft.tls_listen,
            tls_files,
            key_readers: draft.key_readers,
            trusted_proxies: draft.trusted_proxies,
            allowed_hosts: draft.allowed_hosts,
            workers: draft.workers,
            store: StoreConfig {
                directory,
                // A read that starts later would not finish before the call times out.
                read_patience: draft.limits.answer_within * 4 / 5,
                close_within: draft.drain,
                ..draft.store
            },
            limits: draft.limits,
            drain: draft.drain,
            token,
            metrics: draft.metrics,
            traces: draft.traces,
            log_format: draft.log_format,
            log_level: draft.log_level,
            apps: known,
            webhooks: apps.iter().flat_map(|read| read.webhooks.webhooks.iter().cloned()).collect(),
        })
    }
}

/// Returns an app with what the settings of the server define for all apps.
fn of_server(app: &App, draft: &ServerDraft) -> App {
    App { rates: app.rates.clone().over(&draft.rates), recent: draft.recent, ..app.clone() }
}

/// Checks the files of a certificate. Returns the problems, and a warning if clients would refuse the certificate now.
fn check_tls(
    certificate: &Path,
    key: &Path,
    readers: Readers,
    now: UnixSeconds,
) -> (Vec<String>, Option<Finding>) {
    let mut problems = Vec::new();
    let usable = match check_private(key, readers) {
        Ok(()) => Certificates::check_files(certificate, key, readers, now),
        Err(error) => {
            problems.push(format!("tls.key: {}", chain(&error)));
            Certificates::check_chain(certificate).map(|()| None)
        }
    };
    match usable {
        Ok(doubt) => {
            let doubtful = log_lines::CERTIFICATE_FILE_DOUBTFUL;
            (problems, doubt.map(|doubt| doubtful.found([&certificate.display(), &doubt])))
        }
        Err(error) => {
            problems.push(format!("tls: {}", chain(&error)));
            (problems, None)
        }
    }
}

/// Finds addresses that are listed twice or included in another one. Port 0 never overlaps, because the system chooses a
/// free port each time. One port can be used for IPv4 and IPv6 separately (see [`crate::http::Bound::beside`]).
fn overlaps(listen: &[SocketAddr], tls: &[SocketAddr]) -> Vec<String> {
    let mut all: Vec<SocketAddr> = listen.iter().chain(tls).filter(|one| one.port() != 0).copied().collect();
    all.sort();
    let twice = |one: SocketAddr| format!("{one} is listed twice in listen and tls.listen; keep one of them");
    let mut found: Vec<String> =
        all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| twice(pair[0])).collect();
    all.dedup();
    for whole in all.iter().filter(|one| one.ip().is_unspecified()) {
        let is_part = |one: &&SocketAddr| {
            one.port() == whole.port() && one.is_ipv4() == whole.is_ipv4() && !one.ip().is_unspecified()
        };
        for part in all.iter().filter(is_part) {
            found.push(format!(
                "{whole} includes {part}, so the server cannot listen on both; keep one of them"
            ));
        }
    }
    found.dedup();
    found
}
