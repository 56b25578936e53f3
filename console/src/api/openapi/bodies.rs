//! Response bodies that all resources share: pages, complete lists, errors.

use std::fmt::Display;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

use crate::api::error::ErrorCode;
use crate::page::Page;
use crate::schema::of_type;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Paged<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// To be sent as `after` for the next page; null: there is none.
    pub(crate) next: Option<String>,
}

impl<T, C: Display> From<Page<T, C>> for Paged<T> {
    fn from(page: Page<T, C>) -> Self {
        Self { items: page.items, next: page.next.map(|next| next.to_string()) }
    }
}

/// A whole list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct All<T> {
    /// What is in it.
    pub(crate) items: Vec<T>,
}

/// The schema of an error, in the form of CareQ's API specification, section "Error Handling".
pub(super) fn error() -> RefOr<Schema> {
    let messages = ArrayBuilder::new().items(of_type(Type::String)).build();
    let details = of_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(Schema::Array(messages).into())))
        .description(Some("Sentences by the name of the field or word that is wrong"));
    let error = of_type(Type::Object)
        .property("code", of_type(Type::String).enum_values(Some(ErrorCode::ALL.map(ErrorCode::as_str))))
        .required("code")
        .property("message", of_type(Type::String).description(Some("A sentence for a person")))
        .required("message")
        .property("details", details)
        .required("details");
    let timestamp = of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    of_type(Type::Object)
        .property("success", of_type(Type::Boolean).enum_values(Some([false])))
        .required("success")
        .property("error", error)
        .required("error")
        .property("timestamp", timestamp)
        .required("timestamp")
        .into()
}
