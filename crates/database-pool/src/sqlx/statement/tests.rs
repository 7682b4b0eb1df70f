use proptest::prelude::*;

use super::*;
use crate::metrics::Operation as Op;

const DIALECTS: [Dialect; 4] = [Dialect::Any, Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];

fn name(text: &str) -> TableName {
    TableName::Name(text.to_owned())
}

#[test]
fn verbs_and_tables_are_read_alike_in_all_dialects() {
    let cases: &[(&str, Op, &str)] = &[
        ("SELECT 1", Op::Select, ""),
        ("select * from Users u where id = $1", Op::Select, "users"),
        ("SELECT * FROM public.users", Op::Select, "users"),
        ("SELECT * FROM audit.users", Op::Select, "audit.users"),
        ("SELECT * FROM db.audit.users", Op::Select, "audit.users"),
        ("-- a comment FROM nowhere\nSELECT /* FROM x */ a FROM t", Op::Select, "t"),
        ("SELECT a FROM t, u JOIN v ON true", Op::Select, "t"),
        ("SELECT a FROM (SELECT * FROM inner_one) AS x", Op::Select, "inner_one"),
        ("SELECT a FROM (t JOIN u ON t.id = u.id)", Op::Select, "t"),
        ("SELECT (SELECT 1) FROM t", Op::Select, "t"),
        ("(SELECT a FROM t) UNION (SELECT a FROM u)", Op::Select, "t"),
        ("SELECT EXTRACT(year FROM made_at), TRIM(both FROM name) FROM films", Op::Select, "films"),
        ("SELECT a IS DISTINCT FROM b FROM t", Op::Select, "t"),
        ("SELECT * FROM generate_series(1, 10)", Op::Select, ""),
        ("SELECT * FROM generate_series(1, 10) s JOIN t ON true", Op::Select, "t"),
        ("VALUES (1)", Op::Select, ""),
        ("WITH x AS (SELECT * FROM t) SELECT * FROM x", Op::Select, "t"),
        ("WITH x AS (SELECT * FROM t) SELECT * FROM x JOIN u ON true", Op::Select, "u"),
        ("WITH RECURSIVE x(a, b) AS (VALUES (1)), y AS (SELECT 1) SELECT * FROM y, x", Op::Select, ""),
        (
            "WITH x AS (DELETE FROM old RETURNING *) INSERT INTO archive SELECT * FROM x",
            Op::Insert,
            "archive",
        ),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM x", Op::Select, "t"),
        ("WITH x AS (UPDATE t SET a = 1 RETURNING id) SELECT id FROM x", Op::Select, "t"),
        ("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) q", Op::Select, ""),
        ("INSERT INTO users (a, b) VALUES ('FROM secret', 2)", Op::Insert, "users"),
        ("INSERT OR REPLACE INTO users VALUES (1)", Op::Insert, "users"),
        ("INSERT IGNORE INTO users VALUES (1)", Op::Insert, "users"),
        ("REPLACE INTO users VALUES (1)", Op::Insert, "users"),
        ("UPDATE ONLY users SET a = 1 FROM other_table", Op::Update, "users"),
        ("UPDATE users SET a = (SELECT b FROM c)", Op::Update, "users"),
        ("DELETE FROM users USING u", Op::Delete, "users"),
        ("MERGE INTO stock s USING sales ON true WHEN MATCHED THEN DELETE", Op::Merge, "stock"),
        ("SELECT * FROM users FOR UPDATE", Op::Select, "users"),
        ("SELECT * FROM temp.users", Op::Select, ""),
        ("CREATE TABLE users (a int)", Op::Ddl, ""),
        ("ALTER TABLE users ADD b int", Op::Ddl, ""),
        ("TRUNCATE users", Op::Ddl, ""),
        ("BEGIN", Op::Transaction, ""),
        ("START TRANSACTION", Op::Transaction, ""),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Op::Transaction, ""),
        ("SAVEPOINT _sqlx_savepoint_1", Op::Transaction, ""),
        ("SET search_path TO x", Op::Other, ""),
        ("PRAGMA foreign_keys = ON", Op::Other, ""),
        ("EXPLAIN SELECT * FROM t", Op::Other, ""),
        ("SELECT 1; DELETE FROM t", Op::Select, ""),
        (";; DELETE FROM t; SELECT 1;", Op::Delete, "t"),
        ("SELECT DISTINCT a FROM t", Op::Select, "t"),
        ("hello", Op::Other, ""),
        ("", Op::Other, ""),
        ("((((", Op::Other, ""),
        ("SELECT FROM WHERE", Op::Select, ""),
    ];
    for (sql, operation, table) in cases {
        let table = if table.is_empty() { TableName::None } else { name(table) };
        for dialect in DIALECTS {
            assert_eq!(parse(dialect, sql), (*operation, table.clone()), "{dialect:?}: {sql}");
        }
    }
}

#[test]
fn quoted_names_are_names_in_their_dialect() {
    assert_eq!(parse(Dialect::Postgres, r#"SELECT * FROM "My Schema"."Users""#).1, TableName::Unclear);
    assert_eq!(parse(Dialect::Postgres, r#"SELECT * FROM "Users""#).1, name("users"));
    assert_eq!(parse(Dialect::Sqlite, "SELECT * FROM [users]").1, name("users"));
    assert_eq!(parse(Dialect::MySql, "SELECT * FROM `app`.`users`").1, name("app.users"));
    assert_eq!(parse(Dialect::Any, "SELECT * FROM `users`").1, TableName::Unclear);
    for dialect in DIALECTS {
        assert_eq!(parse(dialect, "SELECT * FROM 'a secret'").1, TableName::Unclear);
    }
}

#[test]
fn a_string_ends_where_its_database_ends_it() {
    // One string to MySQL; to the others a string, a table and a comment.
    let sql = r"SELECT 'it\' FROM secret -- '";
    assert_eq!(parse(Dialect::MySql, sql).1, TableName::None);
    assert_eq!(parse(Dialect::Any, sql).1, TableName::Unclear);
    let sql = "SELECT $$ it's FROM secret $$ FROM t";
    assert_eq!(parse(Dialect::Postgres, sql).1, name("t"));
}

#[test]
fn huge_statements_cost_no_more_than_their_beginning() {
    let values = "('a secret'), ".repeat(100_000);
    for dialect in DIALECTS {
        let sql = format!("INSERT INTO events (a) VALUES {values}('z')");
        assert_eq!(parse(dialect, &sql), (Op::Insert, name("events")));
        let sql = format!("SELECT '{}' FROM secret", "x".repeat(MAX_STATEMENT));
        assert_eq!(parse(dialect, &sql), (Op::Select, TableName::None));
        let sql = format!("SELECT {}", "(".repeat(1_000_000));
        assert_eq!(parse(dialect, &sql).0, Op::Select);
        let sql = format!("SELECT 1{} FROM t", "+1".repeat(4000));
        assert_eq!(parse(dialect, &sql), (Op::Select, name("t")), "no depth, whatever the nesting");
        let half_a_name = format!("SELECT {} FROM half_a_name", " ".repeat(MAX_STATEMENT - 16));
        assert_eq!(parse(dialect, &half_a_name), (Op::Select, TableName::None));
    }
}

const SECRET: &str = "hunter2";

/// A literal with the secret in it, and whatever else a user may have typed, as a careful program
/// quotes it for the dialect.
fn literal(dialect: Dialect) -> BoxedStrategy<String> {
    let text = (
        ".{0,8}",
        prop::sample::select(vec![
            " FROM ",
            "' FROM ",
            "\" FROM ",
            "\\' FROM ",
            "-- ",
            "/*",
            "*/",
            "$$",
            "\n",
        ]),
    )
        .prop_map(|(text, trick)| format!("{text}{trick}{SECRET} "));
    match dialect {
        Dialect::MySql => (text, any::<bool>())
            .prop_map(|(text, double)| {
                let quote = if double { '"' } else { '\'' };
                let text = text.replace('\\', "\\\\").replace(quote, &format!("\\{quote}"));
                format!("{quote}{text}{quote}")
            })
            .boxed(),
        Dialect::Postgres => (text, 0..3)
            .prop_map(|(text, form)| match form {
                0 => format!("'{}'", text.replace('\'', "''")),
                1 => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
                _ => format!("$tag${}$tag$", text.replace('$', "")),
            })
            .boxed(),
        _ => text.prop_map(|text| format!("'{}'", text.replace('\'', "''"))).boxed(),
    }
}

fn statement(literals: &[String], form: usize) -> String {
    let [a, b] = literals else { unreachable!("two are generated") };
    match form {
        0 => format!("SELECT {a} AS x FROM users WHERE password = {b}"),
        1 => format!("INSERT INTO users VALUES ({a}, {b})"),
        2 => format!("UPDATE users SET a = {a} WHERE b = {b}"),
        3 => format!("DELETE FROM users WHERE a = {a} AND b = {b}"),
        4 => format!("WITH x AS (SELECT {a}) SELECT {b} FROM x"),
        5 => format!("SELECT {a}, {b}"),
        6 => format!("SELECT concat({a} , {b}) FROM users"),
        7 => format!("SELECT * FROM f({a}) JOIN users ON x = {b}"),
        _ => format!("{a} FROM {b}"),
    }
}

fn written_in() -> impl Strategy<Value = (Dialect, Vec<String>)> {
    prop::sample::select(vec![Dialect::Postgres, Dialect::MySql, Dialect::Sqlite])
        .prop_flat_map(|dialect| (Just(dialect), prop::collection::vec(literal(dialect), 2)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_table_is_never_a_literal((dialect, literals) in written_in(), form in 0..9_usize) {
        let sql = statement(&literals, form);
        for known in [dialect, Dialect::Any] {
            if let (_, TableName::Name(table)) = parse(known, &sql) {
                prop_assert!(!table.contains(SECRET), "{known:?}: {sql} has the table {table}");
                prop_assert_eq!(&table, "users", "{:?}: {}", known, sql);
            }
        }
    }

    #[test]
    fn no_text_panics(sql in ".*") {
        for dialect in DIALECTS {
            let _ = parse(dialect, &sql);
        }
    }

    #[test]
    fn no_sequence_of_words_panics(words in prop::collection::vec(prop::sample::select(vec![
        "SELECT", "FROM", "WITH", "AS", "(", ")", "x", ".", ",", "JOIN", "INTO", "INSERT", "UPDATE", "DISTINCT",
        "IS", "NOT", "MATERIALIZED", "'s'", "\"q\"", "`b`", "[", "]", "$1", "$$", "E'", "--", "\n", "/*", "*/", "\\",
        "'", "\"", "0x", "U&'", "N'", "q'", "{", "}", ";", "#", "@", "?",
    ]), 0..40), space in any::<bool>()) {
        let sql = words.join(if space { " " } else { "" });
        for dialect in DIALECTS {
            let _ = parse(dialect, &sql);
        }
    }
}
