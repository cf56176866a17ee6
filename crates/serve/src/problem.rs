//! What goes wrong, as clients see it: problem documents (RFC 9457), with the JSON path of the value that is wrong.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use semrank_pipeline::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The HTTP status, in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and what to do.
    pub detail: String,
    /// Where in the request, e.g. `$[3].timestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Seconds after which to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// Of a status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { title, status: status.as_u16(), detail: detail.into(), path: None, retry_after: None }
    }

    /// A request that cannot be understood.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A value that cannot be used.
    pub fn at(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::bad(detail) }
    }

    /// Something that is not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// More than the server can take now.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// Something that the server cannot do now, through no fault of the client.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NoItem { .. } | Error::UnknownItem { .. } | Error::UnknownUser { .. } => {
                Self::not_found(detail)
            }
            Error::Field { column, .. } => Self::at(format!("$.{column}"), detail),
            Error::Filter(_) | Error::Retrieve(semrank_retrieve::Error::Filter(_)) => {
                Self::at("$.filter", detail)
            }
            Error::Retrieve(semrank_retrieve::Error::Source { .. }) => Self::at("$.source", detail),
            Error::Retrieve(semrank_retrieve::Error::Cursor(_)) => Self::at("$.cursor", detail),
            Error::Embed(_) => Self::bad(detail),
            Error::NothingToShow { .. } | Error::Store(_) => Self::unavailable(detail),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
