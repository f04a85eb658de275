//! Starts `confold serve` with a configuration.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::{
    harness::{ADMIN, APP, Client, KEY, Server},
    wait::Finish,
};

/// A folder with a configuration and the files that it names.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
}

impl Site {
    /// Creates a folder that contains only the page's key, in the file `key`.
    pub(crate) fn new() -> Site {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        site.write("key", KEY);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that other users cannot read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    /// Writes the configuration: `server`, then the page's app with the settings in `app`.
    pub(crate) fn configure(&self, server: &str, app: &str) {
        self.write("confold.toml", &page_config(server, app));
    }

    /// Returns a confold command with this configuration.
    pub(crate) fn command(&self, task: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
        command.arg(task).arg("--config").arg(self.path("confold.toml"));
        command
    }

    /// Starts the server with its log in the file `log`.
    pub(crate) fn serve(&self) -> Server {
        let log = fs::File::create(self.path("log")).unwrap();
        Site::serve_by(self.command("serve").stderr(log))
    }

    /// Starts the server with a given command.
    pub(crate) fn serve_by(command: &mut Command) -> Server {
        Server::start_until(command, |greeting| greeting.contains("serving "))
    }

    /// Runs `check-config` and returns its output.
    pub(crate) fn check(&self) -> Output {
        self.command("check-config").stdin(Stdio::null()).finish()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

/// Returns a configuration with the page's app.
pub(crate) fn page_config(server: &str, app: &str) -> String {
    let listen = if server.starts_with("listen =") { "" } else { "listen = [\"127.0.0.1:0\"]\n" };
    let store = if server.contains("[store]") { "" } else { "store.directory = \"data\"\n" };
    let first = app.split("[[app]]").next().unwrap();
    let key = if first.contains("key") { "" } else { "key_file = \"key\"\n" };
    let admins = if first.contains("admins") { String::new() } else { format!("admins = [{ADMIN:?}]\n") };
    let id = if first.contains("id =") { String::new() } else { format!("id = {APP}\n") };
    format!("{listen}{store}{server}\n[[app]]\n{id}{key}{admins}{app}\n")
}

/// Starts a server with these settings and connects a client.
pub(crate) fn serving(server: &str, app: &str) -> (Site, Server, Client) {
    let site = Site::new();
    site.configure(server, app);
    let running = site.serve();
    let client = running.client();
    (site, running, client)
}

/// An authority for tests, which issues certificates.
pub(crate) struct Authority {
    key: KeyPair,
    params: CertificateParams,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // The name differs from that of the certificates, so that they are not self-signed.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { key, params, pem }
    }

    /// Writes a new certificate for localhost and its key, each file atomically.
    pub(crate) fn issue(&self, certificate: &Path, key: &Path) {
        self.issue_with_mode(certificate, key, 0o600);
    }

    /// Like [`Authority::issue`], but with the given file mode.
    pub(crate) fn issue_with_mode(&self, certificate: &Path, key: &Path, mode: u32) {
        let params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        self.write(&params, (certificate, key), mode);
    }

    /// Like [`Authority::issue`], but the certificate is valid from the beginning of one year to the beginning of
    /// another.
    pub(crate) fn issue_valid(&self, certificate: &Path, key: &Path, from: i32, until: i32) {
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        self.write(&params, (certificate, key), 0o600);
    }

    fn write(&self, params: &CertificateParams, (certificate, key): (&Path, &Path), mode: u32) {
        let pair = KeyPair::generate().unwrap();
        let signed = params.signed_by(&pair, &Issuer::from_params(&self.params, &self.key)).unwrap();
        for (file, text) in [(certificate, signed.pem()), (key, pair.serialize_pem())] {
            let new = file.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
            fs::rename(&new, file).unwrap();
        }
    }
}

/// Returns the date and time this many days from now, in TOML format.
pub(crate) fn later(days: u64) -> String {
    let at = confold::clock::Clock::system().now() + days * 86_400;
    let shown = time_of(at);
    format!("{shown}Z")
}

/// Returns the UTC date and time of a Unix time, converted by the system's own tool.
fn time_of(seconds: u64) -> String {
    let output =
        Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%S"]).finish();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
