//! From the text of a statement to its labels: never anything but keywords and names of tables.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use bellwether_core::{Interned, OpenLabel};
use papaya::HashMap;
use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::tokenizer::{Token, Tokenizer};
use sqlx_core::database::Database;

use crate::metrics::{Operation, QueryLabels, Table};
use crate::sqlx::scan::{Scan, TableName};

/// In which dialect a statement is written: it decides what a quoted text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Not known: a table is told only where the others agree on it.
    #[default]
    Any,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// The dialect of one of sqlx's databases.
    #[must_use]
    pub fn of<DB: Database>() -> Self {
        match DB::NAME {
            "PostgreSQL" => Self::Postgres,
            "MySQL" => Self::MySql,
            "SQLite" => Self::Sqlite,
            _ => Self::Any,
        }
    }
}

/// So much of a statement is read, in bytes: the table of a long `INSERT` stands at its beginning.
pub const MAX_STATEMENT: usize = 16 * 1024;

/// More statements than this are not remembered at a time.
const REMEMBERED: usize = 4096;

static SEEN: LazyLock<HashMap<u64, QueryLabels>> = LazyLock::new(HashMap::new);
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The labels of a statement, for queries that neither the layer nor the executor sees.
///
/// Cost: a hash of the text and a lock-free look-up; a text that was not seen lately is split into
/// tokens, in time linear to its length, of which at most [`MAX_STATEMENT`] bytes count.
///
/// The table is the one that is written to; of a query, the first in `FROM`, or in its subqueries if
/// that one is made of subqueries. Names are lower-cased; a schema is kept unless it is the usual one
/// (`public`, `main`, `dbo`), of three parts the last two. Common table expressions, temporary schemas
/// and functions are not tables; a name that is quoted and looks like anything but a name is `other`.
/// Changes of the schema have the table `none`: migrations would use up the limit. Of several
/// statements in one text the first counts.
///
/// ```
/// use bellwether_core::{Config, Telemetry};
/// use bellwether_database_pool::DatabasePoolMetrics;
/// use bellwether_database_pool::sqlx::{Dialect, query_labels};
///
/// let (telemetry, (metrics,)) = Telemetry::isolated::<(DatabasePoolMetrics,)>(Config::default())?;
/// let labels = query_labels(Dialect::Postgres, "UPDATE public.Users SET name = 'Eve' WHERE id = 7");
/// metrics.query_duration.observe(labels, std::time::Duration::from_millis(2));
/// assert!(telemetry.render().contains(r#"{operation="update",table="users",le="0.005"} 1"#));
/// # Ok::<(), bellwether_core::InstallError>(())
/// ```
#[must_use]
pub fn query_labels(dialect: Dialect, sql: &str) -> QueryLabels {
    let read = beginning(sql);
    let key = HASHER.hash_one((dialect, sql.len() > read.len(), read));
    let seen = SEEN.pin();
    if let Some(labels) = seen.get(&key) {
        return *labels;
    }
    let (operation, table) = parse(dialect, sql);
    let table = match table {
        TableName::None => Table::none(),
        TableName::Unclear => Table::from_interned(Interned::OTHER),
        TableName::Name(name) => Table::new(&name),
    };
    let labels = QueryLabels { operation, table };
    if seen.len() >= REMEMBERED {
        // A service with so many texts writes values into them: hardly any of them comes back.
        seen.clear();
    }
    seen.insert(key, labels);
    labels
}

fn beginning(sql: &str) -> &str {
    &sql[..sql.floor_char_boundary(MAX_STATEMENT)]
}

/// What a statement does to which table.
pub(crate) fn parse(dialect: Dialect, sql: &str) -> (Operation, TableName) {
    match dialect {
        Dialect::Postgres => parse_as(&PostgreSqlDialect {}, sql),
        Dialect::MySql => parse_as(&MySqlDialect {}, sql),
        Dialect::Sqlite => parse_as(&SQLiteDialect {}, sql),
        Dialect::Any => {
            // Where a string ends differs between dialects: what one reads as a name can be a value
            // to another. What all read alike is read alike by the one that it is written in.
            let (operation, table) = parse_as(&PostgreSqlDialect {}, sql);
            let others = [parse_as(&MySqlDialect {}, sql), parse_as(&SQLiteDialect {}, sql)];
            let operation =
                if others.iter().all(|(o, _)| *o == operation) { operation } else { Operation::Other };
            let table = if others.iter().all(|(_, t)| *t == table) { table } else { TableName::Unclear };
            (operation, table)
        }
    }
}

fn parse_as(dialect: &dyn sqlparser::dialect::Dialect, sql: &str) -> (Operation, TableName) {
    let read = beginning(sql);
    let mut tokens = Vec::new();
    // After an error (a string without an end, often because the text was cut) the tokens before it count.
    let whole = Tokenizer::new(dialect, read)
        .with_unescape(false)
        .tokenize_with_location_into_buf(&mut tokens)
        .is_ok();
    if whole && read.len() < sql.len() {
        // The last word may be half a name.
        tokens.pop();
    }
    let tokens: Vec<Token> = tokens
        .into_iter()
        .map(|token| token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF))
        .skip_while(|token| *token == Token::SemiColon)
        .take_while(|token| *token != Token::SemiColon)
        .collect();
    Scan::new(&tokens).classify()
}

#[cfg(test)]
mod tests;
