//! A PostgreSQL server.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Server, free_port, program, run, wait_for};

const PACKAGE: &str = "postgresql";
const READY: &str = "database system is ready to accept connections";

/// An empty server of its own, with everything it writes in a temporary folder; it ends with this.
/// A server that the system runs is not touched.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
    /// Whom it runs as, where that is not who we are.
    user: Option<(u32, u32)>,
    folder: TempDir,
}

impl Postgres {
    /// Starts a server on a free loopback port, which trusts every user and does not sync to disk.
    /// Under root, which PostgreSQL refuses, it runs as the user `postgres`.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, with the command that installs it; or if it does not start, with
    /// what it wrote.
    #[must_use]
    pub fn start() -> Self {
        let initdb = program("initdb", PACKAGE);
        let folder = tempfile::Builder::new().prefix("bellwether-pg-").tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
        let is_root = fs::metadata(folder.path()).expect("our own folder").uid() == 0;
        let user = is_root.then(postgres_user);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("root may");
        }
        let data = folder.path().join("data");
        let (initialised, said) = run(
            command(&initdb, user, folder.path())
                .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"])
                .arg("--pgdata")
                .arg(&data),
            b"",
        );
        assert!(initialised, "initdb failed: {said}");
        // A port can be taken between asking for it and listening on it.
        for _ in 0..5 {
            let port = free_port();
            if let Some(server) = serve(&data, user, folder.path(), port) {
                return Self { server, port, user, folder };
            }
        }
        panic!("postgres does not start: {}", log(folder.path()));
    }

    /// Where to connect: as superuser, to the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// What the server wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.folder.path())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A server that is killed leaves its shared memory and its backends behind; this ends both.
        if self.server.running()
            && let Some(pg_ctl) = crate::find("pg_ctl")
        {
            let mut stop = command(&pg_ctl, self.user, self.folder.path());
            stop.args(["stop", "--mode=immediate", "--wait", "--silent", "--pgdata"]);
            let _ = stop.arg(self.folder.path().join("data")).output();
        }
    }
}

fn serve(data: &Path, user: Option<(u32, u32)>, folder: &Path, port: u16) -> Option<Server> {
    let out = File::create(log_path(folder)).expect("our own folder");
    let err = out.try_clone().expect("a file handle");
    let mut server = Server::start(
        command(&program("postgres", PACKAGE), user, folder)
            .arg("-D")
            .arg(data)
            .arg("-k")
            .arg(folder)
            .args(["-h", "127.0.0.1", "-F", "-p", &port.to_string()])
            .stdout(out)
            .stderr(err),
    );
    wait_for("postgres", Duration::from_secs(60), || {
        if log(folder).contains(READY) {
            return Some(true);
        }
        (!server.running()).then_some(false)
    })
    .then_some(server)
}

fn command(program: &Path, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    // The user may have no access to the folder that the tests run in.
    command.current_dir(folder).env_remove("PGDATA").env_remove("PGPORT");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn log(folder: &Path) -> String {
    fs::read_to_string(log_path(folder)).unwrap_or_default()
}

/// The user and group that the package created.
fn postgres_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("a list of users");
    users
        .lines()
        .find_map(|line| {
            let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .expect("the user postgres, which `apt-get install -y postgresql` creates")
}
