//! A builder of one operation with its summary, role, parameters and responses. Every possible status must be described; the test
//! `admin_api::description` and schemathesis check it against the running routes.

use std::sync::Arc;

use axum::routing::MethodRouter;
use utoipa::ToSchema;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Required, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::bodies::{All, Paged};
use super::parameter::{self, Parameter};
use crate::api::extract::query::FromQuery;
use crate::api::state::Api;

const JSON: &str = "application/json";

/// The builder of a route.
pub(crate) struct Route {
    path: String,
    method: HttpMethod,
    operation: OperationBuilder,
    responses: ResponsesBuilder,
    links: Vec<(&'static str, Link)>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// A GET, for every role.
pub(crate) fn reading(id: &str, path: &str, summary: &str) -> Route {
    Route::new(HttpMethod::Get, id, path, summary)
}

/// A POST, for operators.
pub(crate) fn acting(id: &str, path: &str, summary: &str) -> Route {
    let summary = format!("{summary} (operator)");
    Route::new(HttpMethod::Post, id, path, &summary).error("403", "The admin is a reader; nothing was done")
}

impl Route {
    fn new(method: HttpMethod, id: &str, path: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        let has_id = path.contains("{id}");
        let operation = if has_id { operation.parameter(parameter::in_path()) } else { operation };
        let route = Self {
            path: path.to_owned(),
            method,
            operation,
            responses: ResponsesBuilder::new(),
            links: Vec::new(),
            schemas: Vec::new(),
        };
        route
            .error("400", "The query or the body cannot be read")
            .error("401", "There is no token, or nobody's")
            .error("422", "A word or a field that breaks a rule; `details` names it")
            .error("500", "A fault in the program")
            .error("503", "It cannot be done at the moment; Retry-After says when it is worth trying again")
    }

    /// The query parameters of the extracted type.
    pub(crate) fn query<Q: FromQuery>(self) -> Self {
        Q::parameters().into_iter().fold(self, Self::parameter)
    }

    /// A query parameter or header.
    pub(crate) fn parameter(self, parameter: Parameter) -> Self {
        Self { operation: self.operation.parameter(parameter.described()), ..self }
    }

    /// The JSON body of the request.
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build();
        self.operation = self.operation.request_body(Some(body));
        self.error("408", "The body was not complete in time").error("413", "The body is too large")
    }

    /// Links to the operations that take an id of the response, which is at this JSON pointer (RFC 6901). Called before the response.
    pub(crate) fn links_to(mut self, operations: &[&'static str], pointer: &str) -> Self {
        for operation in operations {
            let id = format!("$response.body#{pointer}");
            self.links
                .push((operation, Link::builder().operation_id(*operation).parameter("id", id).build()));
        }
        self
    }

    /// The response on success.
    pub(crate) fn responds<T: ToSchema>(mut self, status: &str, about: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        self.success(status, about, content)
    }

    /// A page of a list as the response.
    pub(crate) fn lists<T: ToSchema>(mut self, about: &str) -> Self {
        self.reference::<T>();
        self.wraps::<Paged<T>>(about)
    }

    /// A complete list as the response.
    pub(crate) fn lists_all<T: ToSchema>(mut self, about: &str) -> Self {
        self.reference::<T>();
        self.wraps::<All<T>>(about)
    }

    fn wraps<W: ToSchema>(mut self, about: &str) -> Self {
        W::schemas(&mut self.schemas);
        let content = ContentBuilder::new().schema(Some(W::schema())).build();
        self.success("200", about, content)
    }

    fn success(mut self, status: &str, about: &str, content: Content) -> Self {
        let response = ResponseBuilder::new().description(about).content(JSON, content);
        let links = std::mem::take(&mut self.links).into_iter();
        self.with(status, links.fold(response, |response, (name, link)| response.link(name, link)))
    }

    /// Server-sent events as the response, with data of this type.
    pub(crate) fn streams<T: ToSchema>(mut self, about: &str) -> Self {
        self.reference::<T>();
        let content = ContentBuilder::new().build();
        let about = format!("{about}. The data of each is a `{}`, in JSON", T::name());
        self.with("200", ResponseBuilder::new().description(about).content("text/event-stream", content))
    }

    /// A response without a body.
    pub(crate) fn empty(self, status: &str, about: &str) -> Self {
        self.with(status, ResponseBuilder::new().description(about))
    }

    /// Status 404.
    pub(crate) fn not_found(self, about: &str) -> Self {
        self.error("404", about)
    }

    /// Status 409.
    pub(crate) fn conflict(self, about: &str) -> Self {
        self.error("409", about)
    }

    /// Status 429.
    pub(crate) fn too_many(self, about: &str) -> Self {
        self.error("429", about)
    }

    /// The finished route. The handler must be for the same method.
    pub(crate) fn handled_by(self, handler: MethodRouter<Arc<Api>>) -> UtoipaMethodRouter<Arc<Api>> {
        let operation = self.operation.responses(self.responses.build()).build();
        let mut paths = Paths::new();
        paths.add_path_operation(&self.path, vec![self.method], operation);
        (self.schemas, paths, handler)
    }

    fn error(self, status: &str, about: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
        self.with(status, ResponseBuilder::new().description(about).content(JSON, content))
    }

    fn with(mut self, status: &str, response: ResponseBuilder) -> Self {
        self.responses = self.responses.response(status, response);
        self
    }

    /// A reference to the schema of a type. The schema and those that it refers to are added to the document.
    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name()).into()
    }
}
