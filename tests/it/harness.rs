//! Starts the binary and calls it over HTTP.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use confold::{
    auth::{App, Identifier, SecretKey, usersig},
    clock::Clock,
    compose::Plan,
    domain::AppId,
    http::{Bound, serve},
    store::Store,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

pub(crate) use crate::wait::eventually;
use crate::wait::{self, DEADLINE, Finish, Lines, end, end_within};

/// The app of the documentation page, with a key made for the tests, because `serve` refuses the published one.
pub(crate) const APP: u32 = 88_888_888;
pub(crate) const ADMIN: &str = "admin";
pub(crate) const KEY: &str = "b2a07c5d3f1e49688d0c7b6a5e4f3d2c1b0a9f8e7d6c5b4a39281706f5e4d3c2";

/// The key of app 1400000000, as published with the official signature libraries.
pub(crate) const SAMPLE_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// A running `confold dev`, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What the server printed when it was ready.
    pub(crate) greeting: String,
    /// The server's folder for temporary files, removed with it, because a killed server leaves files behind.
    pub(crate) folder: Option<tempfile::TempDir>,
    /// Whether the child process is strace, which runs the server as its own child.
    traced: bool,
}

impl Server {
    /// Starts `confold dev` on a free port with these additional arguments.
    pub(crate) fn dev(arguments: &[&str]) -> Server {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Server::dev_with(arguments, temporary.path());
        server.folder = Some(temporary);
        server
    }

    /// Returns the command of a `dev` server on a free port with the key of the page's app.
    pub(crate) fn dev_command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--app", &format!("{APP}:{KEY}:{ADMIN}")]);
        command
    }

    fn command(arguments: &[&str]) -> Command {
        let mut command = Server::dev_command();
        command.args(["--log-level", "error"]).args(arguments);
        command
    }

    /// Starts `confold dev` with a complete JSON log in this file.
    pub(crate) fn logging_to(log: std::fs::File) -> Server {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Server::dev_command();
        command.args(["--log", "json", "--log-level", "debug"]);
        let mut server = Server::start(command.env("TMPDIR", temporary.path()).stderr(log));
        server.folder = Some(temporary);
        server
    }

    /// Starts `confold dev` with a text log in this file and these additional arguments.
    pub(crate) fn logging_text(arguments: &[&str], log: &Path) -> Server {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Server::dev_command();
        command.args(["--log-level", "debug"]).args(arguments);
        let log = std::fs::File::create(log).unwrap();
        let mut server = Server::start(command.env("TMPDIR", temporary.path()).stderr(log));
        server.folder = Some(temporary);
        server
    }

    /// Starts `confold dev` under strace, which records each completed synchronization.
    pub(crate) fn traced(trace: &Path) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o"]).arg(trace);
        let server = Server::command(&[]);
        command.arg(server.get_program()).args(server.get_args());
        // A killed strace would leave the server running, so the server is asked to stop instead.
        let mut server = Server::start(command.env("TMPDIR", folder.path()));
        server.folder = Some(folder);
        server.traced = true;
        server
    }

    /// Starts `confold dev` on a directory that is kept, without rate limits.
    pub(crate) fn on(data: &Path) -> Server {
        let mut command = Server::command(&["--rate-limit", "off", "--data", data.to_str().unwrap()]);
        // Discard the log: tests that make disks fail cause error messages that are expected.
        Server::start(command.stderr(Stdio::null()))
    }

    /// Like [`Server::dev`], with temporary files in this folder.
    pub(crate) fn dev_with(arguments: &[&str], temporary: &Path) -> Server {
        Server::start(Server::command(arguments).env("TMPDIR", temporary))
    }

    fn start(command: &mut Command) -> Server {
        Server::start_until(command, |greeting| greeting.contains("Try:") && greeting.contains("curl -d"))
    }

    /// Starts a server and waits until `complete` returns true for its output.
    pub(crate) fn start_until(command: &mut Command, complete: impl Fn(&str) -> bool) -> Server {
        Server::try_start_until(command, complete).expect("the server did not start")
    }

    /// Like [`Server::start_until`], but returns `None` if the server exits instead.
    pub(crate) fn try_start_until(command: &mut Command, complete: impl Fn(&str) -> bool) -> Option<Server> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let Ok(greeting) = lines.until("the greeting of a server", complete) else {
            end(&mut child).expect("a server that cannot start should exit");
            return None;
        };
        let address = address_after(&greeting, "http://").unwrap_or(([127, 0, 0, 1], 0).into());
        Some(Server { child, address, greeting, folder: None, traced: false })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Kills the process as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        end(&mut self.child).expect("a killed server should exit");
    }

    /// Sends SIGTERM, as an operator would.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&self, sent: Signal) {
        signal(self.id(), sent).unwrap();
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the TLS address.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        address_after(&self.greeting, "https://").unwrap()
    }

    /// Waits for the server to exit, and returns whether it succeeded.
    pub(crate) fn ended_well(mut self) -> bool {
        end(&mut self.child).expect("a stopped server should exit").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.traced {
            let children = format!("/proc/{0}/task/{0}/children", self.child.id());
            let children = std::fs::read_to_string(children).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                let _ = signal(child, Signal::TERM);
            }
            end(&mut self.child);
        }
        // The server may have exited already.
        let _ = self.child.kill();
        end(&mut self.child);
    }
}

/// Runs the service in the test process, for settings and stores that the command line does not offer.
pub(crate) struct InProcess {
    pub(crate) address: SocketAddr,
    stop: tokio::sync::watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl InProcess {
    pub(crate) fn start(app: App, store: Arc<dyn Store>) -> InProcess {
        InProcess::start_by(Clock::system(), app, store)
    }

    /// Like [`InProcess::start`], but with a clock that the test controls.
    pub(crate) fn start_by(clock: Clock, app: App, store: Arc<dyn Store>) -> InProcess {
        let bound = Bound::to(([127, 0, 0, 1], 0).into()).unwrap();
        let address = bound.address();
        let listening = bound.listen().unwrap();
        let plan = Plan { clock, ..Plan::new(store, [app]) };
        let http = plan.compose().http;
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(vec![listening], http, stopping, Duration::from_secs(5))).unwrap();
        };
        InProcess { address, stop, thread: Some(std::thread::spawn(work)) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // Draining is limited to five seconds.
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Returns a confold command in an environment without any settings.
pub(crate) fn confold(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("CONFOLD_KEY");
    for variable in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(variable);
    }
    command
}

/// Like [`confold`], but with the key of the page's app in the environment.
pub(crate) fn keyed(arguments: &[&str]) -> Command {
    let mut command = confold(arguments);
    command.env("CONFOLD_KEY", KEY);
    command
}

/// Runs a confold command that has to succeed, and returns its standard output.
#[track_caller]
pub(crate) fn succeeds(command: &mut Command) -> String {
    let output = command.finish();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the arguments for a tool to use the page's app on a running server.
pub(crate) fn at_server(server: &Server) -> Vec<String> {
    let url = format!("http://{}", server.address);
    ["--url", &url, "--app", &APP.to_string(), "--admin", ADMIN].map(str::to_owned).to_vec()
}

/// Returns the arguments for a tool to use a data directory.
pub(crate) fn in_directory(directory: &Path) -> Vec<String> {
    ["--data", directory.to_str().unwrap()].map(str::to_owned).to_vec()
}

/// Exports everything from a place, as lines.
#[track_caller]
pub(crate) fn exported(place: &[String]) -> String {
    let mut export = keyed(&["export"]);
    let output = export.args(place).finish();
    assert!(output.status.success() && !said(&output).contains('\u{1b}'), "{}", said(&output));
    printed(&output)
}

/// Returns the standard output of a program. Standard error may contain progress when the machine is slow.
pub(crate) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the standard output and then the standard error of a program.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a program with this text on standard input.
pub(crate) fn fed(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.finish()
}

/// Returns the page's app with default settings.
pub(crate) fn page_app() -> App {
    App::new(AppId::new(APP).unwrap(), SecretKey::new(KEY).unwrap(), vec![ADMIN.to_owned()])
}

/// Makes system calls of a process fail, with strace, until this is dropped.
pub(crate) struct Fault {
    strace: Child,
    /// The error output of strace, kept open because strace must be able to write to it.
    _errors: Lines,
}

impl Fault {
    /// Makes these system calls of the process on this file fail with this error.
    pub(crate) fn inject(server: &Server, calls: &str, error: &str, file: &Path) -> Fault {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-p", &server.child.id().to_string(), "-P", file.to_str().unwrap()]);
        strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:error={error}")]);
        let mut child = strace.args(["-o", "/dev/null"]).stderr(Stdio::piped()).spawn().unwrap();
        // strace prints a message once it is attached. All threads of the server exist by then.
        let errors = Lines::of(child.stderr.take().unwrap());
        let attached = errors.until("strace attaches itself", |said| said.contains("attached"));
        assert!(attached.is_ok(), "strace: {attached:?}");
        Fault { strace: child, _errors: errors }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let _ = signal(self.strace.id(), Signal::INT);
        // strace may hang while it detaches from a process that is exiting, and then the process cannot exit either.
        if end_within(&mut self.strace, Duration::from_secs(10)).is_none() {
            let _ = self.strace.kill();
            end(&mut self.strace);
        }
    }
}

/// Asks threads to end when this is dropped, even if the test fails.
pub(crate) struct Ending<'a>(pub(crate) &'a std::sync::atomic::AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Sends a signal to a process, without a program such as kill, which minimal systems may not have.
fn signal(id: u32, signal: Signal) -> rustix::io::Result<()> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).unwrap();
    kill_process(id, signal)
}

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub(crate) fn code(&self) -> u64 {
        self.json()["ErrorCode"].as_u64().unwrap()
    }
}

/// Sets a deadline for reads and writes on a socket.
pub(crate) fn patient(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))
}

/// Accepts the next connection of a listener.
#[track_caller]
pub(crate) fn accepted(listener: &TcpListener) -> TcpStream {
    let listener = listener.try_clone().unwrap();
    let (stream, _) = wait::start("somebody connects", move || listener.accept().unwrap()).done();
    patient(&stream).unwrap();
    stream
}

/// A stream with or without TLS.
pub(crate) trait Stream: Read + Write + Send {
    /// Returns the underlying socket.
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// A connection whose calls are signed by the page's administrator.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    query: String,
}

/// Returns the first address after `scheme` in a server's output.
fn address_after(greeting: &str, scheme: &str) -> Option<SocketAddr> {
    let rest = greeting.split(scheme).nth(1)?;
    rest.split(|c: char| c.is_whitespace() || c == ',').next()?.parse().ok()
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap()
    }

    pub(crate) fn try_connect(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        patient(&stream)?;
        Ok(Client::over(stream))
    }

    /// Creates a client with the smallest receive buffer, so that unread answers stay in the server.
    pub(crate) fn deaf(address: SocketAddr) -> Client {
        use rustix::net::{self, AddressFamily, SocketType, sockopt};
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_recv_buffer_size(&socket, 1).unwrap();
        net::connect(&socket, &address).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Client::over(stream)
    }

    fn over(stream: impl Stream + 'static) -> Client {
        Client { stream: BufReader::new(Box::new(stream)), query: query(APP, ADMIN, KEY) }
    }

    /// Connects with TLS to a server that has to prove the name `name` to clients that trust `ca`.
    pub(crate) fn try_connect_tls(address: SocketAddr, ca: &str, name: &str) -> std::io::Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(config.into(), name).map_err(std::io::Error::other)?;
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        patient(&socket)?;
        let mut stream = StreamOwned::new(session, socket);
        // The handshake happens with the first write.
        stream.flush()?;
        Ok(Client::over(stream))
    }

    /// Sets how long to wait for bytes.
    pub(crate) fn wait_at_most(&self, time: Duration) {
        self.stream.get_ref().socket().set_read_timeout(Some(time)).unwrap();
    }

    /// Signs later calls as another administrator.
    pub(crate) fn signed_for(self, app: u32, identifier: &str, key: &str) -> Client {
        Client { query: query(app, identifier, key), ..self }
    }

    /// Returns the path and query of a call, signed by this client.
    pub(crate) fn target(&self, command: &str) -> String {
        format!("/v4/{command}?{}", self.query)
    }

    /// Calls `service/command`. Fails the test if there is no answer.
    pub(crate) fn call(&mut self, command: &str, body: &str) -> Answer {
        self.try_call(command, body).unwrap()
    }

    pub(crate) fn try_call(&mut self, command: &str, body: &str) -> std::io::Result<Answer> {
        let target = self.target(command);
        self.post(&target, body)
    }

    /// Calls a command of `recentcontact`, which has to succeed.
    pub(crate) fn ok(&mut self, command: &str, body: &str) -> Value {
        let answer = self.call(command, body);
        assert_eq!(answer.code(), 0, "{command} {body}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn post(&mut self, target: &str, body: &str) -> std::io::Result<Answer> {
        self.raw(
            format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .as_bytes(),
        )
    }

    /// Returns a value of the metrics.
    pub(crate) fn metric(&mut self, name: &str) -> u64 {
        let metrics = self.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
    }

    /// Sends bytes and reads one answer.
    pub(crate) fn raw(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        self.send(request)?;
        self.answer(request.starts_with(b"HEAD"))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    pub(crate) fn answer(&mut self, headless: bool) -> std::io::Result<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; if headless { 0 } else { length }];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        note_codes(&body);
        Ok(Answer { status, headers, body })
    }

    /// Reads only the status of an answer.
    pub(crate) fn head(&mut self) -> std::io::Result<u16> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0))
    }

    /// Returns whether the server is known to have closed the connection. A time-out does not count.
    pub(crate) fn has_ended(&mut self) -> bool {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        match self.stream.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => ![TimedOut, WouldBlock].contains(&error.kind()),
        }
    }

    /// Returns whether the server closes the connection without sending anything. A time-out does not count.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.has_ended()
    }
}

/// The environment variable that names the file to which the codes of all answers are written, for the ledger
/// (`ledger.rs`).
pub(crate) const CODES: &str = "LEDGER_CODES";

fn note_codes(body: &str) {
    let Some(file) = std::env::var_os(CODES) else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    for rest in body.split("Code\":").skip(1) {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        file.write_all(format!("{digits}\n").as_bytes()).unwrap();
    }
}

/// Returns the query string of a call.
pub(crate) fn query(app: u32, identifier: &str, key: &str) -> String {
    let signature = sign(app, identifier, key);
    format!("sdkappid={app}&identifier={identifier}&usersig={signature}&random=99999999&contenttype=json")
}

pub(crate) fn sign(app: u32, identifier: &str, key: &str) -> String {
    let (app, key) = (AppId::new(app).unwrap(), SecretKey::new(key).unwrap());
    usersig::make(app, &Identifier::parse(identifier).unwrap(), &key, Clock::system().now(), 86_400)
}

/// Imports accounts, a hundred per call.
pub(crate) fn import_accounts(client: &mut Client, users: &[String]) {
    for some in users.chunks(100) {
        let body = serde_json::json!({ "Accounts": some }).to_string();
        let reply = client.ok("im_open_login_svc/multiaccount_import", &body);
        assert_eq!(reply["FailAccounts"], serde_json::json!([]));
    }
}
