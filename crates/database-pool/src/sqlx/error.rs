//! What an error of sqlx means for whoever is on call.

use sqlx_core::error::{DatabaseError, Error, ErrorKind};

use crate::metrics::ErrorReason;

/// The reason of an error; none for a query that found no row, which is an answer.
pub(crate) fn reason(error: &Error) -> Option<ErrorReason> {
    Some(match error {
        Error::RowNotFound => return None,
        Error::PoolTimedOut => ErrorReason::PoolTimeout,
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::PoolClosed | Error::WorkerCrashed => {
            ErrorReason::Connection
        }
        Error::Database(error) => database(&**error),
        _ => ErrorReason::Other,
    })
}

fn database(error: &dyn DatabaseError) -> ErrorReason {
    if error.kind() != ErrorKind::Other {
        return ErrorReason::Constraint;
    }
    let code = error.code().unwrap_or_default();
    // PostgreSQL and MySQL give an SQLSTATE of five characters, SQLite a number of four at most.
    if code.len() == 5 { sqlstate(&code) } else { code.parse().map_or(ErrorReason::Other, sqlite) }
}

fn sqlstate(code: &str) -> ErrorReason {
    match code {
        // statement_timeout (and pg_cancel_backend), lock_timeout; MySQL's interrupted query.
        "57014" | "55P03" | "70100" => ErrorReason::Timeout,
        // Shut down, starting up, idle too long, too many connections.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" => ErrorReason::Connection,
        // The class is the first two characters. 28 is a refused login.
        _ => match code.get(..2) {
            Some("08" | "28") => ErrorReason::Connection,
            Some("23" | "44") => ErrorReason::Constraint,
            Some("40") => ErrorReason::Conflict,
            Some("42") => ErrorReason::Syntax,
            _ => ErrorReason::Other,
        },
    }
}

/// The result codes of <https://sqlite.org/rescode.html>; the primary one is the low byte.
fn sqlite(code: u32) -> ErrorReason {
    match code & 0xff {
        // SQLITE_ERROR: the statement is wrong, or a table or column is not there.
        1 => ErrorReason::Syntax,
        // SQLITE_BUSY and SQLITE_LOCKED, after the busy timeout.
        5 | 6 => ErrorReason::Timeout,
        // SQLITE_INTERRUPT.
        9 => ErrorReason::Cancelled,
        // SQLITE_IOERR, SQLITE_CANTOPEN: the file cannot be reached.
        10 | 14 => ErrorReason::Connection,
        // SQLITE_CONSTRAINT.
        19 => ErrorReason::Constraint,
        _ => ErrorReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_reasons() {
        assert_eq!(sqlstate("57014"), ErrorReason::Timeout);
        assert_eq!(sqlstate("40P01"), ErrorReason::Conflict);
        assert_eq!(sqlstate("42P01"), ErrorReason::Syntax);
        assert_eq!(sqlstate("08006"), ErrorReason::Connection);
        assert_eq!(sqlstate("HY000"), ErrorReason::Other);
        assert_eq!(sqlstate("\u{20ac}xx"), ErrorReason::Other, "no panic between characters");
        assert_eq!(sqlite(517), ErrorReason::Timeout, "SQLITE_BUSY_SNAPSHOT");
        assert_eq!(sqlite(2067), ErrorReason::Constraint, "SQLITE_CONSTRAINT_UNIQUE");
    }

    #[test]
    fn no_row_is_an_answer() {
        assert_eq!(reason(&Error::RowNotFound), None);
        assert_eq!(reason(&Error::PoolTimedOut), Some(ErrorReason::PoolTimeout));
    }
}
