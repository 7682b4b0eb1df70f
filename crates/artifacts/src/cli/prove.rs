//! `cargo xtask test`: the generated rules through promtool.

use std::process::Command;

use crate::output::Error;
use crate::rules;
use crate::source::Source;

pub(super) fn run(source: &Source) -> Result<(), Error> {
    // The rules as the source has them now, not as they are committed.
    let output = rules::write(source)?;
    let folder = tempfile::tempdir().map_err(|source| Error::File { path: std::env::temp_dir(), source })?;
    output.emit(folder.path(), false, "cargo xtask rules")?;
    let alerts = folder.path().join(&source.settings.output.alerts);
    let (mut rule_files, mut test_files) = (Vec::new(), Vec::new());
    for (path, _) in output.files() {
        match path.strip_prefix(&source.settings.output.alerts).ok().and_then(|path| path.parent()?.to_str())
        {
            Some("") => rule_files.push(folder.path().join(path)),
            Some("tests") => test_files.push(folder.path().join(path)),
            _ => {}
        }
    }
    promtool(&["check", "rules"], &rule_files, &alerts)?;
    promtool(&["test", "rules"], &test_files, &alerts)?;
    let proofs: usize = source.alerts().map(|(_, alert)| alert.proofs.len()).sum();
    anstream::println!("{} alerts proven by {proofs} cases", source.alerts().count());
    Ok(())
}

fn promtool(arguments: &[&str], files: &[std::path::PathBuf], folder: &std::path::Path) -> Result<(), Error> {
    let output = Command::new("promtool").args(arguments).args(files).current_dir(folder).output().map_err(
        |error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                let install =
                    "it comes with Prometheus: `apt-get install -y prometheus` on Debian".to_owned();
                return Error::Missing { tool: "promtool".to_owned(), install };
            }
            Error::File { path: "promtool".into(), source: error }
        },
    )?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Error::Failed(format!("promtool {}:\n{}", arguments.join(" "), String::from_utf8_lossy(&said))))
}
