//! One operation: what it is for, who may, what it takes, and every answer that it can give. An answer that the code can give must
//! never be missing: the test of the running routes, and schemathesis, look for it.

use std::sync::Arc;

use axum::routing::MethodRouter;
use utoipa::ToSchema;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Required, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::bodies::{All, Paged};
use super::parameter::{self, Parameter};
use crate::api::server::Api;

const JSON: &str = "application/json";

/// A route in the making.
pub(in crate::api) struct Route {
    path: String,
    method: HttpMethod,
    operation: OperationBuilder,
    responses: ResponsesBuilder,
    links: Vec<(&'static str, Link)>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// Looks, and changes nothing.
pub(in crate::api) fn reading(id: &str, path: &str, summary: &str) -> Route {
    Route::new(HttpMethod::Get, id, path, summary)
}

/// Acts, in an operator's name.
pub(in crate::api) fn acting(id: &str, path: &str, summary: &str) -> Route {
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

    /// Words of the query, or headers.
    pub(in crate::api) fn query(mut self, parameters: &[Parameter]) -> Self {
        for parameter in parameters {
            self.operation = self.operation.parameter(parameter.described());
        }
        self
    }

    /// A JSON body.
    pub(in crate::api) fn takes<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build();
        self.operation = self.operation.request_body(Some(body));
        self.error("408", "The body was not complete in time").error("413", "The body is too large")
    }

    /// The operations that an id in the answer leads to, and where in it the id is (RFC 6901). To be said before the answer.
    pub(in crate::api) fn leads_to(mut self, operations: &[&'static str], pointer: &str) -> Self {
        for operation in operations {
            let id = format!("$response.body#{pointer}");
            self.links
                .push((operation, Link::builder().operation_id(*operation).parameter("id", id).build()));
        }
        self
    }

    /// The answer when it is done.
    pub(in crate::api) fn answers<T: ToSchema>(mut self, status: &str, about: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        self.done(status, about, content)
    }

    /// A page of a list.
    pub(in crate::api) fn lists<T: ToSchema>(mut self, about: &str) -> Self {
        self.reference::<T>();
        self.wraps::<Paged<T>>(about)
    }

    /// A whole list.
    pub(in crate::api) fn lists_all<T: ToSchema>(mut self, about: &str) -> Self {
        self.reference::<T>();
        self.wraps::<All<T>>(about)
    }

    fn wraps<W: ToSchema>(mut self, about: &str) -> Self {
        W::schemas(&mut self.schemas);
        let content = ContentBuilder::new().schema(Some(W::schema())).build();
        self.done("200", about, content)
    }

    fn done(mut self, status: &str, about: &str, content: Content) -> Self {
        let response = ResponseBuilder::new().description(about).content(JSON, content);
        let links = std::mem::take(&mut self.links).into_iter();
        self.with(status, links.fold(response, |response, (name, link)| response.link(name, link)))
    }

    /// Server-sent events, whose data is this.
    pub(in crate::api) fn streams<T: ToSchema>(mut self, about: &str) -> Self {
        self.reference::<T>();
        let content = ContentBuilder::new().build();
        let about = format!("{about}. The data of each is a `{}`, in JSON", T::name());
        self.with("200", ResponseBuilder::new().description(about).content("text/event-stream", content))
    }

    /// An answer without a body.
    pub(in crate::api) fn empty(self, status: &str, about: &str) -> Self {
        self.with(status, ResponseBuilder::new().description(about))
    }

    /// 404
    pub(in crate::api) fn not_found(self, about: &str) -> Self {
        self.error("404", about)
    }

    /// 409
    pub(in crate::api) fn conflict(self, about: &str) -> Self {
        self.error("409", about)
    }

    /// 429
    pub(in crate::api) fn too_many(self, about: &str) -> Self {
        self.error("429", about)
    }

    /// With its handler, which must take its method.
    pub(in crate::api) fn handled_by(self, handler: MethodRouter<Arc<Api>>) -> UtoipaMethodRouter<Arc<Api>> {
        let operation = self.operation.responses(self.responses.build()).build();
        let (_, paths, handler) = careq_http::documented_route(self.method, &self.path, operation, handler);
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

    /// A reference to a type's schema, which the document holds, with all that it needs.
    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name()).into()
    }
}
