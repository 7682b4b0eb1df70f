//! Built-in traffic: what clients do, mistakes and impatience included.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::json;

/// Sends about `rate` requests a second to the service at `url`, for ever. A request that fails is
/// what the service is there to count: nothing is done about it.
pub async fn run(url: String, rate: f64) {
    let client = Client::new();
    let mut interval = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let start =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    for turn in 0_u64.. {
        interval.tick().await;
        tokio::spawn(request(client.clone(), url.clone(), start, turn));
    }
}

async fn request(client: Client, url: String, start: u64, turn: u64) {
    let tenant = ["acme", "globex", "initech"][(turn % 3) as usize];
    let id = turn / 20 % 40 + 1;
    let ask = |method: Method, path: String| {
        client.request(method, format!("{url}{path}")).header("x-tenant", tenant)
    };
    let result = match turn % 20 {
        0 | 10 => {
            let body =
                json!({ "title": format!("Stream {start}-{turn}"), "seconds": 300 + turn * 97 % 9_000 });
            ask(Method::POST, "/recordings".to_owned()).json(&body).send().await
        }
        // A title that exists: the constraint of the table says no.
        1 if turn % 80 == 21 => {
            let body = json!({ "title": format!("Stream {start}-{}", turn - turn % 20), "seconds": 600 });
            ask(Method::POST, "/recordings".to_owned()).json(&body).send().await
        }
        2 => {
            ask(Method::POST, "/login".to_owned())
                .json(&json!({ "user": "ada", "password": "demo" }))
                .send()
                .await
        }
        3 => {
            ask(Method::POST, "/login".to_owned())
                .json(&json!({ "user": "eve", "password": turn.to_string() }))
                .send()
                .await
        }
        4 => {
            ask(Method::POST, "/login".to_owned())
                .json(&json!({ "user": "impatient", "password": "" }))
                .send()
                .await
        }
        5 => ask(Method::GET, format!("/wp-admin/{turn}.php")).send().await,
        6 if turn % 60 == 46 => ask(Method::DELETE, format!("/recordings/{id}")).send().await,
        // A client that goes away in the middle of a video.
        7 => match ask(Method::GET, format!("/recordings/{id}/video")).send().await {
            Ok(mut response) => response.chunk().await.map(|_| response),
            Err(error) => Err(error),
        },
        8 => match ask(Method::GET, format!("/recordings/{id}/video")).send().await {
            Ok(mut response) => {
                while let Ok(Some(_)) = response.chunk().await {}
                Ok(response)
            }
            Err(error) => Err(error),
        },
        9 | 11 | 13 => ask(Method::GET, "/recordings".to_owned()).send().await,
        _ => ask(Method::GET, format!("/recordings/{id}")).send().await,
    };
    if let Err(error) = result {
        tracing::debug!(error = %error.without_url(), "the traffic's request failed");
    }
}
