//! The recordings, in SQLite.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bellwether_database_pool::DatabasePoolMetrics;
use bellwether_database_pool::sqlx::ObservedPool;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{FromRow, Sqlite};

/// A recording.
#[derive(Debug, Serialize, Deserialize, FromRow)]
pub struct Recording {
    /// Its number.
    pub id: i64,
    /// What was recorded; no two have the same.
    pub title: String,
    /// How long it is.
    pub seconds: i64,
}

/// The database behind the API.
#[derive(Clone)]
pub struct Store {
    pool: Arc<ObservedPool<Sqlite>>,
    metrics: DatabasePoolMetrics,
}

impl Store {
    /// Opens or makes the database in a folder.
    ///
    /// # Errors
    /// If the database cannot be opened.
    pub async fn open(folder: &Path, metrics: &DatabasePoolMetrics) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("recordings.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(2))
            .connect_with(options)
            .await?;
        let pool = metrics.observe_sqlx_pool("main", &pool);
        sqlx::query("CREATE TABLE IF NOT EXISTS recordings (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, seconds INTEGER NOT NULL)")
            .execute(&pool)
            .await?;
        Ok(Self { pool: Arc::new(pool), metrics: metrics.clone() })
    }

    /// The latest recordings.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn list(&self) -> Result<Vec<Recording>, sqlx::Error> {
        sqlx::query_as("SELECT id, title, seconds FROM recordings ORDER BY id DESC LIMIT 50")
            .fetch_all(&*self.pool)
            .await
    }

    /// One recording, if it is there.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn get(&self, id: i64) -> Result<Option<Recording>, sqlx::Error> {
        sqlx::query_as("SELECT id, title, seconds FROM recordings WHERE id = ?")
            .bind(id)
            .fetch_optional(&*self.pool)
            .await
    }

    /// How many recordings there are.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn count(&self) -> Result<u64, sqlx::Error> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM recordings").fetch_one(&*self.pool).await?;
        Ok(count.unsigned_abs())
    }

    /// Stores a recording and gives its number.
    ///
    /// # Errors
    /// If there is one with this title, or the database cannot be asked.
    pub async fn insert(&self, title: &str, seconds: i64) -> Result<i64, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let insert =
            sqlx::query("INSERT INTO recordings (title, seconds) VALUES (?, ?)").bind(title).bind(seconds);
        let result = insert.execute(self.metrics.metered(&mut *transaction)).await?;
        transaction.commit().await?;
        Ok(result.last_insert_rowid())
    }

    /// Deletes a recording; whether it was there.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn delete(&self, id: i64) -> Result<bool, sqlx::Error> {
        let result = sqlx::query("DELETE FROM recordings WHERE id = ?").bind(id).execute(&*self.pool).await?;
        Ok(result.rows_affected() > 0)
    }
}
