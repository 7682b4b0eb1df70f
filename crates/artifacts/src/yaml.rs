//! A writer for the few YAML shapes of rule files, with the same bytes on every run.

/// Text under construction.
#[derive(Default)]
pub(crate) struct Yaml {
    text: String,
    indent: usize,
}

impl Yaml {
    /// A line.
    pub(crate) fn line(&mut self, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.text.push_str(&"  ".repeat(self.indent));
        }
        self.text.push_str(text);
        self.text.push('\n');
        self
    }

    /// `key: "value"`, quoted wherever that is needed.
    pub(crate) fn pair(&mut self, key: &str, value: &str) -> &mut Self {
        self.line(&format!("{key}: {}", scalar(value)))
    }

    /// `key: |-` with the lines below it.
    pub(crate) fn block(&mut self, key: &str, value: &str) -> &mut Self {
        if !value.contains('\n') {
            return self.pair(key, value);
        }
        // The first line's own indentation would be taken for the block's.
        let indicator = if value.starts_with(' ') { "2" } else { "" };
        self.line(&format!("{key}: |{indicator}-"));
        self.nested(|yaml| {
            for line in value.lines() {
                yaml.line(line);
            }
        })
    }

    /// What `write` writes, one step further in.
    pub(crate) fn nested(&mut self, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.indent += 1;
        write(self);
        self.indent -= 1;
        self
    }

    /// An item of a list: what `write` writes, with `- ` before its first line.
    pub(crate) fn item(&mut self, write: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.text.len();
        let at = start + self.indent * 2;
        self.nested(write);
        if self.text.len() > at + 2 {
            self.text.replace_range(at..at + 2, "- ");
        }
        self
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// A scalar that reads back as the same text.
pub(crate) fn scalar(value: &str) -> String {
    let plain = !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-' | b':'))
        && value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !value.ends_with(':')
        && !matches!(
            value.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
    // JSON strings are YAML strings.
    if plain { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let mut yaml = Yaml::default();
        yaml.line("groups:").nested(|yaml| {
            yaml.item(|yaml| {
                yaml.pair("name", "a: b")
                    .block("expr", "1\n+ 2")
                    .block("in", "  3\n-\n  4")
                    .pair("on", "true");
            });
        });
        assert_eq!(
            yaml.finish(),
            "groups:\n  - name: \"a: b\"\n    expr: |-\n      1\n      + 2\n    in: |2-\n        3\n      -\n        4\n    on: \"true\"\n"
        );
    }
}
