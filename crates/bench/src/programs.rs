//! The programs that take part: this one, its twin with a counting allocator, and those of
//! `bench-foundations`.

use std::io::{BufRead, BufReader, Error, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::LIBRARIES;
use crate::driver::{Bench, TABLE};

/// One that answers commands; see [`Bench::execute`].
pub enum Program {
    /// This process.
    Own(Bench),
    /// Another one, over its standard input and output. It sleeps while others are measured.
    Child(Box<Pipe>),
}

/// A child with its ends of the pipes.
pub struct Pipe {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    names: Vec<String>,
}

impl Program {
    /// This process.
    #[must_use]
    pub fn own() -> Self {
        Self::Own(Bench::new(LIBRARIES.to_vec(), || None))
    }

    /// Starts a child.
    ///
    /// # Errors
    /// When it cannot be started or does not speak.
    pub fn start(path: &Path) -> std::io::Result<Self> {
        let mut command = Command::new(path);
        let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::other("a child without pipes"));
        };
        let mut pipe = Pipe { child, input, output: BufReader::new(output), names: Vec::new() };
        pipe.names = pipe.line()?.split_whitespace().map(str::to_owned).collect();
        Ok(Self::Child(Box::new(pipe)))
    }

    /// The libraries in it.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Own(bench) => bench.names().into_iter().map(str::to_owned).collect(),
            Self::Child(pipe) => pipe.names.clone(),
        }
    }

    /// Runs a command; None if the library has nothing of the kind.
    ///
    /// # Errors
    /// When a child is gone: it says why on standard error.
    pub fn ask(&mut self, command: &str) -> std::io::Result<Option<Vec<f64>>> {
        let numbers = match self {
            Self::Own(bench) => bench.execute(command).unwrap_or_default(),
            Self::Child(pipe) => {
                writeln!(pipe.input, "{command}")?;
                pipe.input.flush()?;
                pipe.line()?.split_whitespace().filter_map(|number| number.parse().ok()).collect()
            }
        };
        Ok(Some(numbers).filter(|numbers| !numbers.is_empty()))
    }
}

impl Pipe {
    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(Error::other(format!("a child ended: {}", self.child.wait()?)));
        }
        Ok(line)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It is only waiting for commands: there is nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the other programs are, once built.
pub struct Paths {
    /// This program.
    pub own: PathBuf,
    /// Its twin that counts allocations.
    pub memory: PathBuf,
    /// That of `bench-foundations`.
    pub foundations: PathBuf,
    /// Its twin that counts allocations.
    pub foundations_memory: PathBuf,
}

/// Builds the other programs with the cargo and the profile that built this one.
///
/// # Errors
/// When cargo fails; it says why on standard error.
pub fn build() -> std::io::Result<Paths> {
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or_else(|| Error::other("this program is in no folder"))?;
    let target = folder.parent().ok_or_else(|| Error::other("this program is in no target folder"))?;
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let foundations = package.join("../../bench-foundations");
    let foundations_target = target.join("bench-foundations");
    cargo(package, target)?;
    cargo(&foundations, &foundations_target)?;
    let foundations = foundations_target.join("release");
    Ok(Paths {
        memory: folder.join("bellwether-bench-memory"),
        foundations: foundations.join("bellwether-bench-foundations"),
        foundations_memory: foundations.join("bellwether-bench-foundations-memory"),
        own,
    })
}

fn cargo(package: &Path, target: &Path) -> std::io::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet", "--bins", "--manifest-path"]);
    command.arg(package.join("Cargo.toml")).arg("--target-dir").arg(target);
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(Error::other(format!("cargo build: {status}"))) }
}

/// Instructions of one operation, counted by callgrind: none without valgrind, or if the library
/// has no such idiom.
#[must_use]
pub fn instructions(program: &Path, library: &str, case: &str) -> Option<f64> {
    const ITERATIONS: usize = TABLE * 4;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*driver*counted*"])
        .arg(program)
        .args(["--library", library, "--case", case, "--iterations", &ITERATIONS.to_string()])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find_map(|line| line.split_once("Collected :"))?;
    Some(line.1.trim().parse::<f64>().ok()? / ITERATIONS as f64)
}
