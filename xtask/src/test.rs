//! `cargo xtask test`: sets up what the tests need from the system, and passes them all.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bellwether_artifacts::Error;
use bellwether_artifacts::cli;
use clap::Args;

/// What to run.
#[derive(Clone, Debug, Args)]
pub(crate) struct Test {
    /// Only install what the tests need from the system
    #[arg(long)]
    setup: bool,
    /// Run only the steps with this word in their name
    #[arg(long)]
    only: Option<String>,
}

/// Programs that tests run, with the Debian packages that bring them.
const NEEDED: [(&str, &str); 4] = [
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("postgres", "postgresql"),
    ("python3", "python3"),
];

/// Feature sets that a user can choose: each alone must compile.
const FEATURES: [(&str, &[&str]); 4] = [
    ("bellwether-core", &["", "listener"]),
    ("bellwether-http", &["", "actix-web", "tower", "axum"]),
    ("bellwether-database-pool", &["", "sqlx", "deadpool"]),
    ("bellwether-process", &["", "tokio"]),
];

pub(crate) fn run(options: &Test) -> Result<(), Error> {
    setup()?;
    if options.setup {
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned();
    let mut steps: Vec<(String, Step)> = vec![
        ("format".into(), Step::cargo(&root, &["fmt", "--all", "--check"])),
        (
            "clippy".into(),
            Step::cargo(
                &root,
                &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
            ),
        ),
        ("tests".into(), Step::cargo(&root, &["test", "--workspace", "--all-features"])),
    ];
    for (package, sets) in FEATURES {
        for features in sets {
            let arguments = ["check", "--package", package, "--no-default-features", "--features", features];
            steps.push((format!("features {package} [{features}]"), Step::cargo(&root, &arguments)));
        }
    }
    let mut docs = Step::cargo(&root, &["doc", "--workspace", "--all-features", "--no-deps"]);
    docs.environment.push(("RUSTDOCFLAGS", "-D warnings".into()));
    steps.push(("docs".into(), docs));
    for command in [&["generate", "--check"][..], &["lint-rules", "--deny-warnings"], &["cardinality"]] {
        let arguments: Vec<&str> = ["xtask"].iter().chain(command).copied().collect();
        steps.push((format!("artefacts {}", command[0]), Step::cargo(&root, &arguments)));
    }
    // A user's own workspace: its target folder is ours, so that nothing is compiled twice.
    let own = root.join("examples/own-workspace");
    for command in
        [&["generate", "--check"][..], &["lint-rules", "--deny-warnings"], &["cardinality"], &["test"]]
    {
        let arguments: Vec<&str> = ["xtask"].iter().chain(command).copied().collect();
        let mut step = Step::cargo(&own, &arguments);
        step.environment.push(("CARGO_TARGET_DIR", root.join("target").display().to_string()));
        steps.push((format!("own workspace {}", command[0]), step));
    }
    let start = Instant::now();
    steps.extend(oldest_toolchain(&root)?);
    let chosen = |name: &str| options.only.as_deref().is_none_or(|word| name.contains(word));
    for (name, step) in steps.iter().filter(|(name, _)| chosen(name)) {
        step.run(name)?;
    }
    let names = || steps.iter().map(|(name, _)| name.as_str()).chain(["proofs"]);
    if let Some(word) = options.only.as_deref().filter(|_| !names().any(&chosen)) {
        let names: Vec<&str> = names().collect();
        return Err(Error::Failed(format!(
            "no step has {word:?} in its name; they are {}",
            names.join(", ")
        )));
    }
    if chosen("proofs") {
        anstream::println!("== proofs");
        cli::prove::<bellwether_demo::Observed>()?;
    }
    anstream::println!("all passed in {} s", start.elapsed().as_secs());
    Ok(())
}

/// A check with the oldest toolchain that is promised, unless this is the one that runs everything.
fn oldest_toolchain(root: &Path) -> Result<Option<(String, Step)>, Error> {
    const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");
    let version =
        Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version).into_owned();
    if version.starts_with(&format!("rustc {OLDEST}")) {
        anstream::println!("== {} is the oldest toolchain that is promised", version.trim());
        return Ok(None);
    }
    let rustup =
        Command::new("rustup").args(["toolchain", "install", OLDEST, "--profile", "minimal"]).status();
    if !rustup.is_ok_and(|status| status.success()) {
        let install = format!(
            "`rustup toolchain install {OLDEST}`; the oldest toolchain that is promised is tested too"
        );
        return Err(Error::Missing { tool: format!("Rust {OLDEST}"), install });
    }
    let mut step = Step::cargo(root, &["check", "--workspace", "--all-features"]);
    step.program = "rustup";
    step.arguments.splice(0..0, ["run", OLDEST, "cargo"].map(str::to_owned));
    step.environment.push(("CARGO_TARGET_DIR", root.join("target/oldest").display().to_string()));
    Ok(Some((format!("Rust {OLDEST}"), step)))
}

/// One command.
struct Step {
    program: &'static str,
    folder: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

impl Step {
    fn cargo(folder: &Path, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { program: "cargo", folder: folder.to_owned(), arguments, environment: Vec::new() }
    }

    fn run(&self, name: &str) -> Result<(), Error> {
        anstream::println!("== {name}");
        let mut command = Command::new(self.program);
        // What cargo set for this program is not meant for the ones that it starts.
        command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME");
        let status = command
            .args(&self.arguments)
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .status()
            .map_err(|source| Error::File { path: self.program.into(), source })?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "{name}: `{} {}` in {} failed",
            self.program,
            self.arguments.join(" "),
            self.folder.display()
        )))
    }
}

/// Installs missing packages where that is possible, and names them where it is not.
fn setup() -> Result<(), Error> {
    let mut packages: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !installed(program)).map(|(_, package)| *package).collect();
    if !virtual_environments() {
        packages.push("python3-venv");
    }
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    let missing = |why: &str| {
        Err(Error::Missing {
            tool: list.clone(),
            install: format!("{why}; run `apt-get install -y {list}` as root, then this again"),
        })
    };
    if !installed("apt-get") {
        return missing("this is no Debian system: install these in your system's way");
    }
    let sudo: &[&str] = match (is_root(), installed("sudo")) {
        (true, _) => &[],
        (false, true) => &["sudo"],
        (false, false) => return missing("there is no sudo"),
    };
    anstream::println!("== installing {list} with apt-get{}", if sudo.is_empty() { "" } else { ", by sudo" });
    for arguments in
        [vec!["apt-get", "update", "-q"], [vec!["apt-get", "install", "-q", "-y"], packages].concat()]
    {
        let mut words = sudo.iter().copied().chain(arguments);
        let Some(program) = words.next() else { continue };
        let status = Command::new(program).args(words).env("DEBIAN_FRONTEND", "noninteractive").status();
        if !status.is_ok_and(|status| status.success()) {
            return missing("apt-get failed");
        }
    }
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Debian's python3 comes without the part that makes virtual environments.
fn virtual_environments() -> bool {
    Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders.iter().any(|folder| folder.join(program).is_file())
}
