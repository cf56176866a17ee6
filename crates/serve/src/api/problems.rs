//! Which problems a route answers with, for the OpenAPI document.

use crate::Problem;
use std::collections::BTreeMap;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

const MEDIA_TYPE: &str = "application/problem+json";

type Responses = BTreeMap<String, RefOr<Response>>;

fn of(problems: &[(u16, &str)]) -> Responses {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = |description: &str| {
        ResponseBuilder::new().description(description).content(MEDIA_TYPE, content.clone()).build()
    };
    problems.iter().map(|&(status, what)| (status.to_string(), response(what).into())).collect()
}

/// Of a request that is read and waits for its turn.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> Responses {
        of(&[
            (400, "A request that cannot be understood"),
            (429, "Too much waits"),
            (503, "Nothing may be shown, or the log cannot be written"),
        ])
    }
}

/// Of a request for something by its id.
pub(super) struct NotThere;

impl IntoResponses for NotThere {
    fn responses() -> Responses {
        of(&[(404, "There is nothing of this id")])
    }
}

/// Of a request with many parts.
pub(super) struct TooMuch;

impl IntoResponses for TooMuch {
    fn responses() -> Responses {
        of(&[(413, "More than is taken at once")])
    }
}

/// Of a request that does not fit what the server is doing.
pub(super) struct Conflict;

impl IntoResponses for Conflict {
    fn responses() -> Responses {
        of(&[(409, "What is asked for does not fit what ranks now")])
    }
}
