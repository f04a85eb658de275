//! Tests the startup of a server: when its address is reserved, and when clients can connect.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    net::{self, AddressFamily, SocketType, sockopt},
};

use crate::{
    harness::said,
    wait::{self, Finish, Lines, end},
};

/// Returns a free address that is reserved as long as this exists: a socket is bound to it but does not listen, so that
/// other programs do not get it by chance, but can still request it explicitly.
pub(crate) fn reserved() -> (TcpListener, SocketAddr) {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let socket = TcpListener::from(socket);
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn dev(address: SocketAddr, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
    command.args(["dev", "--listen", &address.to_string(), "--ready-file", "ready"]);
    command.current_dir(folder).env("TMPDIR", folder).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

/// Starts a server whose startup is blocked by its seed, a FIFO whose other end is returned.
fn held(address: SocketAddr, folder: &Path) -> (Child, File) {
    let fifo: PathBuf = folder.join("seed");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let child = dev(address, folder).arg("--seed").arg(&fifo).spawn().unwrap();
    // This returns when the server has opened its end, and therefore has its address and its store.
    let end = wait::start("the seed is opened", move || File::options().write(true).open(fifo).unwrap());
    (child, end.done())
}

/// Kills a server at the end of a test, even if it fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        end(&mut self.0);
    }
}

/// Waits until a server has printed its greeting.
fn greeted(server: &mut Killed) {
    let lines = Lines::of(server.0.stdout.take().unwrap());
    lines.until("the server is ready", |greeting| greeting.contains("listening on")).unwrap();
}

#[test]
fn clients_are_refused_until_the_store_is_ready() {
    let ((_reserved, address), folder) = (reserved(), tempfile::tempdir().unwrap());
    let (server, mut seed) = held(address, folder.path());
    let mut server = Killed(server);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!folder.path().join("ready").exists(), "the server should not be ready");
    seed.write_all(b"{\"Kind\":\"account\",\"SdkAppId\":1400000000,\"UserID\":\"seeded\"}\n").unwrap();
    drop(seed);
    greeted(&mut server);
    assert!(TcpStream::connect(address).is_ok());
    let mut client = crate::harness::Client::connect(address);
    assert_eq!(client.raw(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
    crate::harness::eventually("the ready file is written", || {
        fs::read_to_string(folder.path().join("ready"))
            .is_ok_and(|text| text == format!("http://{address}\n"))
    });
}

#[test]
fn of_two_servers_with_one_address_the_one_that_is_ready_first_serves() {
    let ((_reserved, address), slow, fast) =
        (reserved(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, seed) = held(address, slow.path());
    let mut other = Killed(dev(address, fast.path()).spawn().unwrap());
    greeted(&mut other);
    drop(seed);
    let output = server.finish();
    let text = said(&output);
    assert!(!output.status.success() && !text.contains("Try:"), "{text}");
    assert!(text.contains(&format!("cannot listen on {address}: Address already in use")), "{text}");
    assert!(!slow.path().join("ready").exists());
    // A third server is refused before it does anything else.
    let third = dev(address, slow.path()).args(["--data", "never"]).finish();
    let text = said(&third);
    assert!(text.contains(&format!("cannot listen on {address}; choose another address")), "{text}");
    assert!(!third.status.success() && !slow.path().join("never").exists());
}

/// Starts another server with this ready file, and waits until the file belongs to it.
fn with_ready_file(ready: &Path, more: &[&str]) -> crate::harness::Server {
    let server = crate::harness::Server::dev(&[&["--ready-file", ready.to_str().unwrap()], more].concat());
    let first = format!("http://{}\n", server.address);
    crate::harness::eventually("the ready file is written", || {
        fs::read_to_string(ready).is_ok_and(|text| text.starts_with(&first))
    });
    server
}

#[test]
fn a_ready_file_is_removed_only_by_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let first = with_ready_file(&ready, &[]);
        let second = with_ready_file(&ready, &[]);
        first.signal(signal);
        first.ended_well();
        assert_eq!(fs::read_to_string(&ready).unwrap(), format!("http://{}\n", second.address));
        second.signal(signal);
        second.ended_well();
        assert!(!ready.exists());
    }
    // A server that fails because its address is taken leaves the ready file alone.
    let first = with_ready_file(&ready, &[]);
    let address = first.address.to_string();
    let mut second = Command::new(env!("CARGO_BIN_EXE_confold"));
    second.args(["dev", "--listen", &address, "--ready-file", ready.to_str().unwrap()]);
    assert!(!second.finish().status.success());
    assert_eq!(fs::read_to_string(&ready).unwrap(), format!("http://{address}\n"));
    first.terminate();
    first.ended_well();
    // A ready file left over from a crash is replaced.
    with_ready_file(&ready, &[]).kill();
    assert!(ready.exists());
    let server = with_ready_file(&ready, &[]);
    server.terminate();
    assert!(server.ended_well() && !ready.exists());
}

#[test]
fn a_ready_file_has_a_line_for_each_address() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ready = folder.path().join("ready");
    let mut command = crate::harness::Server::dev_command();
    command.args(["--tls-listen", "127.0.0.1:0", "--ready-file", ready.to_str().unwrap()]);
    command.env("XDG_DATA_HOME", home.path()).env("TMPDIR", folder.path());
    let server =
        crate::harness::Server::start_until(&mut command, |greeting| greeting.contains("curl --cacert"));
    let expected = format!("http://{}\nhttps://{}\n", server.address, server.tls_address());
    crate::harness::eventually("the ready file is written", || {
        fs::read_to_string(&ready).is_ok_and(|text| text == expected)
    });
}

#[test]
fn an_unusable_ready_file_fails_the_start_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (path, cure) in [
        ("nowhere/ready", "(the folder of the file must exist)"),
        (".", "it is a directory; name a file in it"),
        ("file/ready", "(a part of the path is a file)"),
        ("/sys/ready", "(this user must be able to write to the folder of the file)"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--data", "data", "--ready-file", path]);
        let output = command.current_dir(folder.path()).finish();
        let text = said(&output);
        assert!(!output.status.success() && text.starts_with("error: --ready-file: cannot write "), "{text}");
        assert!(text.contains(cure), "{path}: {text}");
        assert!(!folder.path().join("data").exists(), "{path}");
    }
}
