//! Prometheus' Python client, whose parsers are the reference for both text formats.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use crate::{program, run, workspace};

const CLIENT: &str = "prometheus-client==0.26.0";

const PARSE: &str = r"
import json, sys
if sys.argv[1] == 'openmetrics':
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
text = sys.stdin.buffer.read().decode()
samples = [sample for family in parse(text) for sample in family.samples]
for sample in samples:
    print(json.dumps([sample.name, sample.labels, repr(float(sample.value))]))
";

/// One sample: its name, its labels and its value.
pub type Sample = (String, BTreeMap<String, String>, f64);

/// An interpreter with the client installed, made once for the workspace.
///
/// # Panics
/// If Python is missing, or the client cannot be fetched from PyPI.
#[must_use]
pub fn interpreter() -> PathBuf {
    let folder = workspace().join("target").join("python");
    std::fs::create_dir_all(&folder).expect("target/ can be written");
    // Test processes run side by side: the first makes it, the others wait.
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let (venv, done) = (folder.join("venv"), folder.join("installed"));
    let python = venv.join("bin").join("python");
    if std::fs::read_to_string(&done).is_ok_and(|client| client == CLIENT) && python.exists() {
        return python;
    }
    let (made, said) =
        run(Command::new(program("python3", "python3")).args(["-m", "venv", "--clear"]).arg(&venv), b"");
    assert!(made, "no virtual environment: run `apt-get install -y python3-venv`: {said}");
    let (fetched, said) = run(
        Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            CLIENT,
        ]),
        b"",
    );
    assert!(fetched, "{CLIENT} could not be installed from PyPI: {said}");
    std::fs::write(&done, CLIENT).expect("target/ can be written");
    python
}

/// Reads an exposition with the client's parser of Prometheus text, or of OpenMetrics.
///
/// # Panics
/// If the parser refuses the text, with what it said.
#[must_use]
pub fn parse(text: &str, openmetrics: bool) -> Vec<Sample> {
    let format = if openmetrics { "openmetrics" } else { "text" };
    let (read, said) = run(Command::new(interpreter()).args(["-c", PARSE, format]), text.as_bytes());
    // The last line of a Python error is its message; the rest is the way to it.
    assert!(read, "the Python client refuses the {format} exposition: {:?}", said.lines().last());
    let sample = |line: &str| {
        let (name, labels, value): (String, _, String) = serde_json::from_str(line).expect("a sample");
        (name, labels, value.parse().expect("a number"))
    };
    said.lines().map(sample).collect()
}
