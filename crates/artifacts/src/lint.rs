//! Reads expressions out of rule files and dashboards, and reports what the checker finds in them,
//! at their place in the file.

use std::fs;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use bellwether_promql::{Code, Expression, Finding, Severity, check, metric_names};
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use crate::output::Error;
use crate::source::Source;

/// Larger files are refused: no rule file or dashboard comes near.
const MAX_BYTES: u64 = 16 << 20;

/// How many findings there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) expressions: usize,
    pub(crate) files: usize,
}

/// An expression in a file.
struct Located {
    what: String,
    expr: String,
    /// The bytes of the node in the file.
    start: usize,
    end: usize,
}

/// Checks these files, or the workspace's own rules and dashboards if there are none named, and
/// hands every rendered finding to `report`.
pub(crate) fn run(
    source: &Source,
    paths: &[PathBuf],
    allow_unknown: bool,
    styled: bool,
    mut report: impl FnMut(&str),
) -> Result<Count, Error> {
    let files = if paths.is_empty() { own_files(source)? } else { expand(paths)? };
    let mut count = Count::default();
    for path in files {
        let text = read(&path)?;
        count.files += 1;
        let shown = path.strip_prefix(&source.root).unwrap_or(&path);
        for located in expressions(&path, &text)? {
            count.expressions += 1;
            for finding in findings(source, &located.expr, allow_unknown) {
                if allowed(source, shown, finding.code) {
                    continue;
                }
                match finding.code.severity() {
                    Severity::Error => count.errors += 1,
                    Severity::Warning => count.warnings += 1,
                }
                report(&render(shown, &text, &located, &finding, styled));
            }
        }
    }
    Ok(count)
}

fn findings(source: &Source, expr: &str, allow_unknown: bool) -> Vec<Finding> {
    match Expression::parse(expr) {
        Ok(expression) => {
            let mut findings = check(&expression, &source.exposed, &source.target_labels());
            // Where a name is unknown, what follows from it is not the user's mistake.
            let unknown = findings.iter().any(|finding| finding.code == Code::UnknownMetric);
            findings.retain(|finding| match finding.code {
                Code::UnknownMetric => !allow_unknown,
                _ => !unknown || metric_names(&expression).len() > 1,
            });
            findings
        }
        // Grafana's variables can be anything, and Rust's regexes are not quite Prometheus': what only
        // they make unreadable is not judged.
        Err(error)
            if expr.contains('$') || expr.contains("[[") || error.message().contains("illegal regex") =>
        {
            Vec::new()
        }
        Err(error) => vec![Finding {
            code: Code::Syntax,
            message: "this expression cannot be read".to_owned(),
            reason: error.message().to_owned(),
            fix: "correct it; `promtool check rules` may say more".to_owned(),
            span: 0..expr.len(),
        }],
    }
}

fn allowed(source: &Source, path: &Path, code: Code) -> bool {
    source.settings.allow.iter().any(|allow| allow.code == code.as_str() && path == allow.file)
}

fn own_files(source: &Source) -> Result<Vec<PathBuf>, Error> {
    let folders = &source.settings.output;
    let alerts = source.root.join(&folders.alerts);
    let all = [alerts.clone(), alerts.join("kubernetes"), source.root.join(&folders.dashboards)];
    expand(&all.into_iter().filter(|folder| folder.is_dir()).collect::<Vec<_>>())
}

/// Files as named, and of folders the rule files and dashboards in them.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|source| Error::File { path: path.clone(), source })?;
        let mut inside: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json")
            })
            .collect();
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MAX_BYTES {
        let message = format!(
            "{}: {size} bytes are more than a rule file or dashboard has ({MAX_BYTES})",
            path.display()
        );
        return Err(Error::Failed(message));
    }
    fs::read_to_string(path).map_err(failed)
}

/// All expressions of a file: of rule groups, of a `PrometheusRule`, or of a dashboard. JSON is
/// YAML, so that one reader gives positions in both.
fn expressions(path: &Path, text: &str) -> Result<Vec<Located>, Error> {
    let text = &merge_surrogates(text);
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        Error::Failed(format!(
            "{}:{}:{}: neither YAML nor JSON: {}",
            path.display(),
            error.marker().line(),
            error.marker().col() + 1,
            error.info()
        ))
    })?;
    // Markers count characters.
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut found = Vec::new();
    for document in &documents {
        walk(document, "", &offsets, &mut found);
    }
    Ok(found)
}

/// JSON writes what is beyond 16 bits as two escapes, which YAML does not know: something else of the
/// same length stands for them, so that positions stay.
fn merge_surrogates(text: &str) -> String {
    let mut merged = text.to_owned();
    let mut from = 0;
    while let Some(at) = merged.get(from..).and_then(|rest| rest.find("\\ud")).map(|at| from + at) {
        let pair = merged.get(at..at + 12).filter(|pair| {
            pair.is_ascii()
                && matches!(pair.as_bytes()[3], b'8' | b'9' | b'a' | b'b')
                && pair[6..].starts_with("\\ud")
        });
        if pair.is_some() {
            merged.replace_range(at..at + 12, "????????????");
        }
        from = at + 3;
    }
    merged
}

/// Whether this panel or query asks something else than Prometheus.
fn is_foreign(node: &MarkedYaml<'_>) -> bool {
    let YamlData::Mapping(map) = &node.data else { return false };
    let datasource = map.iter().find(
        |(name, _)| matches!(&name.data, YamlData::Value(Scalar::String(name)) if name == "datasource"),
    );
    datasource
        .and_then(|(_, datasource)| text_of(datasource, "type"))
        .is_some_and(|kind| kind != "prometheus")
}

fn text_of<'a>(node: &'a MarkedYaml<'_>, key: &str) -> Option<&'a str> {
    let YamlData::Mapping(map) = &node.data else { return None };
    let value = map
        .iter()
        .find(|(name, _)| matches!(&name.data, YamlData::Value(Scalar::String(name)) if name == key));
    match &value?.1.data {
        YamlData::Value(Scalar::String(text)) => Some(text),
        _ => None,
    }
}

fn walk(node: &MarkedYaml<'_>, owner: &str, offsets: &[usize], found: &mut Vec<Located>) {
    if is_foreign(node) {
        return;
    }
    match &node.data {
        YamlData::Mapping(map) => {
            let named = [("alert", "alert"), ("record", "record"), ("title", "panel")];
            let own =
                named.iter().find_map(|(key, what)| text_of(node, key).map(|name| format!("{what} {name}")));
            let owner = own.as_deref().unwrap_or(owner);
            for (key, value) in map {
                let is_expr = matches!(&key.data, YamlData::Value(Scalar::String(name)) if name == "expr");
                match &value.data {
                    YamlData::Value(Scalar::String(expr)) if is_expr => {
                        let at =
                            |index: usize| offsets.get(index).or(offsets.last()).copied().unwrap_or_default();
                        let (start, end) = (at(value.span.start.index()), at(value.span.end.index()));
                        found.push(Located { what: owner.to_owned(), expr: expr.to_string(), start, end });
                    }
                    _ => walk(value, owner, offsets, found),
                }
            }
        }
        YamlData::Sequence(items) => items.iter().for_each(|item| walk(item, owner, offsets, found)),
        _ => {}
    }
}

fn render(path: &Path, text: &str, located: &Located, finding: &Finding, styled: bool) -> String {
    let node = text.get(located.start..located.end).unwrap_or_default();
    // The word in the expression is the same word in the file, up to escapes.
    let word = located.expr.get(finding.span.clone()).unwrap_or_default();
    let nth = located.expr.get(..finding.span.start).map_or(0, |before| before.matches(word).count());
    let place = if word.is_empty() { None } else { node.match_indices(word).nth(nth).map(|(at, _)| at) };
    let span = match place {
        Some(at) => located.start + at..located.start + at + word.len(),
        None => located.start..located.start + node.lines().next().map_or(0, str::len),
    };
    let level = match finding.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let shown = path.display().to_string();
    let of = format!("in {}: {}", located.what, finding.reason);
    let report = [level
        .primary_title(&*finding.message)
        .id(finding.code.as_str())
        .element(Snippet::source(text).path(&*shown).annotation(AnnotationKind::Primary.span(span)))
        .element(Level::NOTE.message(&*of))
        .element(Level::HELP.message(&*finding.fix))];
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}
