//! A statement's tokens, read for its verb and its table.
//!
//! Not a full parse: that fails on what it does not know of a dialect, recurses as deep as the
//! statement nests, and costs many times as much. One pass over the tokens, without recursion.

use sqlparser::tokenizer::{Token, Word};

use crate::metrics::Operation;

/// The table of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableName {
    /// It has none.
    None,
    /// It has one, whose name is better not shown.
    Unclear,
    /// The name, lower-cased.
    Name(String),
}

pub(crate) struct Scan<'t> {
    tokens: &'t [Token],
    /// Names of common table expressions, sorted.
    defined: Vec<String>,
}

/// What can stand between a verb and its table.
const MODIFIERS: &[&str] = &[
    "ONLY",
    "LATERAL",
    "OR",
    "REPLACE",
    "IGNORE",
    "ROLLBACK",
    "ABORT",
    "FAIL",
    "LOW_PRIORITY",
    "HIGH_PRIORITY",
    "DELAYED",
    "QUICK",
    "INTO",
];
/// What begins a query where a table could stand.
const QUERIES: &[&str] = &["SELECT", "WITH", "VALUES"];
/// What is never a table, without quotes.
const RESERVED: &[&str] = &[
    "SELECT",
    "WITH",
    "VALUES",
    "FROM",
    "WHERE",
    "SET",
    "JOIN",
    "ON",
    "USING",
    "GROUP",
    "ORDER",
    "LIMIT",
    "UNION",
    "RETURNING",
    "DEFAULT",
    "UNNEST",
    "DUAL",
];

impl<'t> Scan<'t> {
    pub(crate) fn new(tokens: &'t [Token]) -> Self {
        Self { tokens, defined: defined(tokens) }
    }

    pub(crate) fn classify(&self) -> (Operation, TableName) {
        let start = self.tokens.iter().position(|token| *token != Token::LParen).unwrap_or(0);
        let verb = if self.is(start, &["WITH"]) { self.after_with(start + 1) } else { start };
        let Some(word) = self.word(verb) else { return (Operation::Other, TableName::None) };
        let target = |operation| {
            let table = self.table(self.skip_modifiers(verb + 1), true);
            (operation, table.unwrap_or(TableName::None))
        };
        match word.value.to_ascii_uppercase().as_str() {
            "SELECT" | "VALUES" => (Operation::Select, self.queried(start, verb)),
            "TABLE" => target(Operation::Select),
            "DELETE" => (Operation::Delete, self.queried(start, verb)),
            "INSERT" | "REPLACE" => target(Operation::Insert),
            "UPDATE" => target(Operation::Update),
            "MERGE" => target(Operation::Merge),
            "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "COMMENT" | "GRANT" | "REVOKE" => {
                (Operation::Ddl, TableName::None)
            }
            "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "END" | "ABORT" => {
                (Operation::Transaction, TableName::None)
            }
            "SET" | "START" | "PREPARE" if self.is(verb + 1, &["TRANSACTION"]) => {
                (Operation::Transaction, TableName::None)
            }
            _ => (Operation::Other, TableName::None),
        }
    }

    fn word(&self, at: usize) -> Option<&'t Word> {
        match self.tokens.get(at)? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, at: usize, words: &[&str]) -> bool {
        is(self.tokens.get(at), words)
    }

    fn is_paren(&self, at: usize) -> bool {
        self.tokens.get(at) == Some(&Token::LParen)
    }

    fn skip_modifiers(&self, mut at: usize) -> usize {
        while self.is(at, MODIFIERS) {
            at += 1;
        }
        at
    }

    /// Where the statement begins whose common table expressions come first.
    fn after_with(&self, from: usize) -> usize {
        let verbs = &["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "VALUES", "TABLE"];
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(from) {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                token if depth == 0 && is(Some(token), verbs) => return at,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// The first table of the query at `verb`, then of its common table expressions.
    fn queried(&self, start: usize, verb: usize) -> TableName {
        self.first_source(verb, self.tokens.len())
            .or_else(|| self.first_source(start, verb))
            .unwrap_or(TableName::None)
    }

    /// The first table in `FROM` or `JOIN`, at any depth; in common table expressions also one that is
    /// written to. Not the `FROM` of `EXTRACT(… FROM …)` and its like, nor of `IS DISTINCT FROM`.
    fn first_source(&self, from: usize, to: usize) -> Option<TableName> {
        // Whether each open parenthesis is around a query or a join, rather than arguments.
        let mut open = Vec::new();
        for at in from..to {
            let before = |words| at > 0 && self.is(at - 1, words);
            match &self.tokens[at] {
                Token::LParen => open.push(
                    self.is(at + 1, &["SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE"])
                        || before(&["FROM", "JOIN"])
                        || (self.is_paren(at + 1) && (at == 0 || self.word(at - 1).is_none())),
                ),
                Token::RParen => drop(open.pop()),
                _ if !open.last().copied().unwrap_or(true) => {}
                token => {
                    let distinct = before(&["DISTINCT"]) && at > 1 && self.is(at - 2, &["IS", "NOT"]);
                    let read = is(Some(token), &["FROM", "JOIN"]) && !distinct;
                    let inserted = is(Some(token), &["INTO"]) && before(&["INSERT"]);
                    let updated = is(Some(token), &["UPDATE"]) && at > 0 && self.is_paren(at - 1);
                    if read || inserted || updated {
                        let table = self.table(self.skip_modifiers(at + 1), inserted);
                        if table.is_some() {
                            return table;
                        }
                    }
                }
            }
        }
        None
    }

    /// The name of a table at `at`; none for what is not one.
    fn table(&self, mut at: usize, columns_follow: bool) -> Option<TableName> {
        while self.is_paren(at) && !self.is(at + 1, QUERIES) {
            at += 1;
        }
        let mut parts = Vec::new();
        loop {
            match self.tokens.get(at)? {
                Token::Word(word) => parts.push(word),
                // SQLite takes a string for a name.
                token if is_string(token) => return Some(TableName::Unclear),
                _ => return None,
            }
            at += 1;
            if self.tokens.get(at) != Some(&Token::Period) {
                break;
            }
            at += 1;
        }
        if (!columns_follow && self.is_paren(at)) || parts.len() == 1 && is_word(parts[0], RESERVED) {
            return None;
        }
        self.name(&parts)
    }

    fn name(&self, parts: &[&Word]) -> Option<TableName> {
        // The tables of more than one database are told apart by their schemas already.
        let parts: Vec<String> =
            parts[parts.len().saturating_sub(2)..].iter().map(|word| word.value.to_lowercase()).collect();
        match parts.as_slice() {
            [name] if self.defined.binary_search(name).is_ok() => None,
            [schema, _] if schema == "temp" || schema.starts_with("pg_temp") => None,
            parts if !parts.iter().all(|part| is_plain(part)) => Some(TableName::Unclear),
            [schema, name] if !matches!(schema.as_str(), "public" | "main" | "dbo") => {
                Some(TableName::Name(format!("{schema}.{name}")))
            }
            [.., name] => Some(TableName::Name(name.clone())),
            [] => None,
        }
    }
}

/// Whether a name looks like one: a quoted name can be any text.
fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-'))
}

fn is_word(word: &Word, words: &[&str]) -> bool {
    word.quote_style.is_none() && words.iter().any(|known| word.value.eq_ignore_ascii_case(known))
}

fn is(token: Option<&Token>, words: &[&str]) -> bool {
    matches!(token, Some(Token::Word(word)) if is_word(word, words))
}

fn is_string(token: &Token) -> bool {
    matches!(token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_))
}

/// The names before `AS (`, `AS MATERIALIZED (` and `AS NOT MATERIALIZED (`, with or without a list of
/// columns. In which part of the statement a name holds does not matter here: it is no table's.
fn defined(tokens: &[Token]) -> Vec<String> {
    if !tokens.iter().any(|token| is(Some(token), &["WITH"])) {
        return Vec::new();
    }
    let mut names = Vec::new();
    let mut open = Vec::new();
    // Where the parenthesis was opened that closed last.
    let mut closed = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::LParen => open.push(at),
            Token::RParen => closed = open.pop().unwrap_or(0),
            token if at > 0 && is(Some(token), &["AS"]) => {
                let mut next = at + 1;
                while is(tokens.get(next), &["NOT", "MATERIALIZED"]) {
                    next += 1;
                }
                let before =
                    if tokens[at - 1] == Token::RParen { closed.checked_sub(1) } else { Some(at - 1) };
                let name = before.and_then(|before| tokens.get(before));
                if let (Some(Token::LParen), Some(Token::Word(word))) = (tokens.get(next), name) {
                    names.push(word.value.to_lowercase());
                }
            }
            _ => {}
        }
    }
    names.sort_unstable();
    names
}
