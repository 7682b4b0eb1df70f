//! The routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, ServiceConfig, delete, get, post};
use actix_web::{HttpResponse, Responder, ResponseError};
use bellwether_http::HttpMetrics;
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;

use crate::metrics::{LibraryMetrics, Outcome, OutcomeLabels};
use crate::store::Store;

/// What the handlers share.
#[derive(Clone)]
pub struct State {
    /// The recordings.
    pub store: Store,
    /// The server's metrics, for what the middleware cannot see.
    pub http: HttpMetrics,
    /// The service's own.
    pub library: LibraryMetrics,
    /// The share of requests for recordings that fail on purpose, and the count that spreads them.
    pub faults: Arc<Faults>,
}

/// Failures on demand, spread evenly: a quarter is every fourth request.
#[derive(Debug, Default)]
pub struct Faults {
    ratio: f64,
    requests: AtomicU64,
}

impl Faults {
    /// Lets this share of requests fail.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        Self { ratio, requests: AtomicU64::new(0) }
    }

    fn next_fails(&self) -> bool {
        let before = self.requests.fetch_add(1, Ordering::Relaxed) as f64;
        ((before + 1.0) * self.ratio).floor() > (before * self.ratio).floor()
    }
}

/// What a client is told.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no such recording.
    #[error("there is no such recording")]
    NotFound,
    /// A recording has the title already.
    #[error("a recording with this title exists")]
    Conflict,
    /// Wrong user or password.
    #[error("wrong user or password")]
    Unauthorized,
    /// Too many attempts.
    #[error("too many attempts, try again later")]
    RateLimited,
    /// The archive does not answer: on demand, with `--fail-ratio`.
    #[error("the archive does not answer")]
    Archive,
    /// The database does not answer.
    #[error("the database does not answer")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) if database.is_unique_violation() => Self::Conflict,
            _ => Self::Database(error),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Archive => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// All routes but the scrape.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/", get().to(async || "A demo of Bellwether: /recordings, /metrics\n"))
        .route("/health", get().to(async || "ok\n"))
        .route("/recordings", get().to(list))
        .route("/recordings", post().to(create))
        .route("/recordings/{id}", get().to(show))
        .route("/recordings/{id}", delete().to(remove))
        .route("/recordings/{id}/video", get().to(video))
        .route("/login", post().to(login));
}

async fn list(state: Data<State>) -> Result<impl Responder, ApiError> {
    if state.faults.next_fails() {
        return Err(ApiError::Archive);
    }
    Ok(Json(state.store.list().await?))
}

/// The body of a new recording.
#[derive(Deserialize)]
struct New {
    title: String,
    seconds: u32,
}

async fn create(state: Data<State>, new: Json<New>) -> Result<impl Responder, ApiError> {
    let id = state.store.insert(&new.title, i64::from(new.seconds)).await?;
    state.library.ended.inc(OutcomeLabels { outcome: Outcome::Completed });
    state.library.length.observe((), Duration::from_secs(u64::from(new.seconds)));
    state.library.recordings.set((), state.store.count().await?);
    Ok(HttpResponse::Created().json(serde_json::json!({ "id": id })))
}

async fn show(state: Data<State>, id: Path<i64>) -> Result<impl Responder, ApiError> {
    if state.faults.next_fails() {
        return Err(ApiError::Archive);
    }
    state.store.get(*id).await?.map(Json).ok_or(ApiError::NotFound)
}

async fn remove(state: Data<State>, id: Path<i64>) -> Result<impl Responder, ApiError> {
    if !state.store.delete(*id).await? {
        return Err(ApiError::NotFound);
    }
    state.library.ended.inc(OutcomeLabels { outcome: Outcome::Deleted });
    state.library.recordings.set((), state.store.count().await?);
    Ok(HttpResponse::NoContent())
}

/// The video, in pieces over a fifth of a second: long enough for a client to lose its patience.
async fn video(state: Data<State>, id: Path<i64>) -> Result<impl Responder, ApiError> {
    state.store.get(*id).await?.ok_or(ApiError::NotFound)?;
    let pieces = stream::unfold(0_u32, async |piece| {
        tokio::time::sleep(Duration::from_millis(10)).await;
        (piece < 20).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(&[0; 16 * 1024])), piece + 1))
    });
    Ok(HttpResponse::Ok().content_type("video/mp4").streaming(Box::pin(pieces)))
}

/// The body of a login.
#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

async fn login(state: Data<State>, credentials: Json<Credentials>) -> Result<impl Responder, ApiError> {
    if credentials.user == "impatient" {
        state.http.rate_limited("/login");
        return Err(ApiError::RateLimited);
    }
    // The demo's one password is no secret.
    let right = credentials.password == "demo";
    state.http.auth_attempt(right);
    if right { Ok("welcome\n") } else { Err(ApiError::Unauthorized) }
}
