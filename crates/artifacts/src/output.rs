//! Files that are generated: written, or compared with what is committed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::settings::SettingsError;

/// What can go wrong with a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `bellwether.toml` cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A declaration contradicts itself or another.
    #[error("{place}: {message}")]
    Declaration {
        /// Whose declaration.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Committed files are not what the source says.
    #[error("stale: {}\nrun `{command}` and commit the result", files.join(", "))]
    Stale {
        /// The files.
        files: Vec<String>,
        /// What writes them anew.
        command: String,
    },
    /// A tool that the command needs is missing.
    #[error("{tool} is not installed: {install}")]
    Missing {
        /// The tool.
        tool: String,
        /// How to install it.
        install: String,
    },
    /// What was asked for did not hold.
    #[error("{0}")]
    Failed(String),
}

/// What became of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many were written, so many were as they should be.
    Written {
        /// Files that changed.
        changed: usize,
        /// Files that did not have to.
        unchanged: usize,
    },
    /// All were as they should be.
    Checked(usize),
}

/// Generated files by path, from the workspace's root.
#[derive(Clone, Debug, Default)]
pub struct Output {
    files: BTreeMap<PathBuf, String>,
    /// Folders in which only generated files with this ending live.
    owned: Vec<(PathBuf, &'static str)>,
}

impl Output {
    /// Adds a file.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: String) {
        self.files.insert(path.into(), text);
    }

    /// Adds all files of another output.
    pub(crate) fn append(&mut self, other: Self) {
        self.files.extend(other.files);
        self.owned.extend(other.owned);
    }

    /// Files of a folder with this ending that are not generated any more are stale.
    pub(crate) fn own(&mut self, folder: impl Into<PathBuf>, ending: &'static str) {
        self.owned.push((folder.into(), ending));
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.files.iter().map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// Writes the files below `root`, or with `check` only compares.
    ///
    /// # Errors
    /// If a file cannot be read or written; with `check`, if one is not as it should be.
    pub fn emit(&self, root: &Path, check: bool, command: &str) -> Result<Outcome, Error> {
        let mut stale = Vec::new();
        for (path, text) in &self.files {
            let full = root.join(path);
            if fs::read_to_string(&full).is_ok_and(|present| present == *text) {
                continue;
            }
            stale.push(path.display().to_string());
            if !check {
                write(&full, text)?;
            }
        }
        for path in self.leftovers(root) {
            stale.push(format!(
                "{} (no longer generated)",
                path.strip_prefix(root).unwrap_or(&path).display()
            ));
            if !check {
                fs::remove_file(&path).map_err(|source| Error::File { path, source })?;
            }
        }
        match (check, stale.is_empty()) {
            (true, true) => Ok(Outcome::Checked(self.files.len())),
            (true, false) => Err(Error::Stale { files: stale, command: command.to_owned() }),
            (false, _) => Ok(Outcome::Written {
                changed: stale.len(),
                unchanged: self.files.len().saturating_sub(stale.len()),
            }),
        }
    }

    /// Files that this generator wrote once and does not any more: it knows them by its mark.
    fn leftovers(&self, root: &Path) -> Vec<PathBuf> {
        let mut leftovers = Vec::new();
        for (folder, ending) in &self.owned {
            for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
                let path = entry.path();
                let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
                let generated = || fs::read_to_string(&path).is_ok_and(|text| text.contains(MARK));
                if path.to_string_lossy().ends_with(ending)
                    && !self.files.contains_key(&relative)
                    && generated()
                {
                    leftovers.push(path);
                }
            }
        }
        leftovers.sort();
        leftovers
    }
}

/// In every generated file.
pub(crate) const MARK: &str = "Generated by `cargo xtask";

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // Whole or not at all: a reader never sees half a file.
    let temporary = path.with_extension("tmp~");
    fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path)).map_err(failed)
}
