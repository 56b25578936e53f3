//! What was asked: ids in paths, words in queries, bodies. A word that is not known must never be ignored: a filter with a slip in it
//! would match everything.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::instant;
use careq_shared::json::Document;
use careq_shared::records::FieldErrors;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::problem::Problem;
use super::server::Api;
use crate::Page;
use crate::letters::{Chosen, Filter};

/// How many a page has unless it is asked otherwise.
pub(super) const USUAL_LIMIT: u64 = 50;

/// The longest page.
pub(super) const LONGEST_LIMIT: u64 = 500;

/// The most letters that a filter can name by their ids.
const MAX_IDS: usize = 1_000;

/// The id in a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<Uuid>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| Problem::no_such_id())
    }
}

/// The words of a query, each to be taken once; [`Words::end`] refuses those that nobody has taken.
#[derive(Debug)]
pub(super) struct Words {
    said: BTreeMap<String, Vec<String>>,
    known: Vec<&'static str>,
    faults: FieldErrors,
}

impl<S: Send + Sync> FromRequestParts<S> for Words {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|_| Problem::invalid("The query cannot be read"))?;
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs {
            said.entry(name).or_default().push(value);
        }
        Ok(Self { said, known: Vec::new(), faults: FieldErrors::new() })
    }
}

impl Words {
    /// A word that may be said several times.
    pub(super) fn each<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Vec<T> {
        self.known.push(name);
        let values = self.said.remove(name).unwrap_or_default();
        values.iter().filter_map(|value| self.read(name, value)).collect()
    }

    /// A word that may be said once.
    pub(super) fn one<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let values = self.said.remove(name)?;
        match values.as_slice() {
            [value] => self.read(name, value),
            _ => self.blame(name, "it may be said once"),
        }
    }

    fn read<T: FromStr<Err: Display>>(&mut self, name: &str, value: &str) -> Option<T> {
        if value.contains('\0') {
            return self.blame(name, NUL);
        }
        value.parse().map_err(|fault: T::Err| self.blame::<T>(name, &fault.to_string())).ok()
    }

    fn blame<T>(&mut self, name: &str, sentence: &str) -> Option<T> {
        self.faults.entry(name.to_owned()).or_default().push(sentence.to_owned());
        None
    }

    /// Everything that is wrong, at once.
    pub(super) fn end(mut self) -> Result<(), Problem> {
        let names = self.known.join(", ");
        for name in std::mem::take(&mut self.said).into_keys().filter(|name| !name.contains('\0')) {
            let known = if names.is_empty() { "no words are known here" } else { &names };
            self.blame::<()>(&name, &format!("it is not known; what is: {known}"));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::validation(self.faults)) }
    }

    /// `limit` and `after`.
    pub(super) fn page<C: FromStr<Err: Display>>(&mut self) -> Page<C> {
        Page { after: self.one("after"), limit: self.limit() }
    }

    /// `limit`
    pub(super) fn limit(&mut self) -> u64 {
        let limit = self.one::<Digits<_>>("limit").map_or(USUAL_LIMIT, |Digits(number)| number);
        if !(1..=LONGEST_LIMIT).contains(&limit) {
            self.blame::<u64>("limit", &format!("it must be from 1 to {LONGEST_LIMIT}"));
        }
        limit
    }

    /// The words of a filter.
    pub(super) fn filter(&mut self) -> Filter {
        let filter = Filter {
            clinic_id: self.one("clinic_id"),
            kind: self.one::<Said<_>>("kind").map(|Said(kind)| kind),
            careq_id: self.one::<Digits<_>>("careq_id").map(|Digits(number)| number),
            class: self.one("class"),
            code: self.one("code"),
            fingerprint: self.one("fingerprint"),
            since: self.one::<Moment>("since").map(|Moment(at)| at),
            until: self.one::<Moment>("until").map(|Moment(at)| at),
            ids: self.each("id"),
            states: Vec::new(),
        };
        if filter.ids.len() > MAX_IDS {
            self.blame::<()>("id", &too_many_ids());
        }
        filter
    }

    /// The words of a filter, and `state`: open unless it is said otherwise; `all` for every state.
    pub(super) fn filter_with_states(&mut self) -> Filter {
        let states: Vec<States> = self.each("state");
        let states = match states.as_slice() {
            [] => vec![DeadLetterState::Open],
            said if said.contains(&States::All) => Vec::new(),
            said => said.iter().filter_map(|state| state.one()).collect(),
        };
        Filter { states, ..self.filter() }
    }
}

const NUL: &str = "a text must not have a NUL character";

fn too_many_ids() -> String {
    format!("at most {MAX_IDS} letters can be named by their ids")
}

/// A kind, with the words that it could have been.
struct Said<T>(T);

impl FromStr for Said<careq_shared::records::Kind> {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        use careq_shared::records::Kind;
        let words = || Kind::ALL.map(Kind::as_str).join(", ");
        word.parse().map(Self).map_err(|_| format!("it must be one of: {}", words()))
    }
}

/// A number as it is printed: neither a sign, nor a zero before it.
struct Digits<T>(T);

impl<T: FromStr + ToString> FromStr for Digits<T> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number: &T| number.to_string() == text);
        number.map(Self).ok_or("it must be a whole number")
    }
}

/// A moment that both databases can compare.
struct Moment(DateTime<Utc>);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        instant::parse(text).map(Self).ok_or("it must be a time such as 2026-01-31T08:00:00Z")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum States {
    All,
    One(DeadLetterState),
}

impl States {
    const fn one(self) -> Option<DeadLetterState> {
        match self {
            Self::All => None,
            Self::One(state) => Some(state),
        }
    }
}

impl FromStr for States {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if word == "all" {
            return Ok(Self::All);
        }
        word.parse().map(Self::One).map_err(|fault| format!("{fault}, or all"))
    }
}

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes =
            careq_http::read_body(&parts.headers, body, api.body_limits).await.map_err(Problem::of_body)?;
        careq_http::require_json(&parts.headers).map_err(Problem::of_body)?;
        let document = Document::parse(&bytes).map_err(|fault| Problem::invalid(fault.to_string()))?;
        if document.object().raw().has_nul() {
            return Err(Problem::field("body", NUL));
        }
        let read = serde_json::from_str(document.text());
        read.map(Self).map_err(|fault| Problem::field("body", without_values(&fault)))
    }
}

/// What serde says of members and of words; what it says of other values quotes them.
fn without_values(fault: &serde_json::Error) -> String {
    let sentence = fault.to_string();
    // The place is one in the canonical spelling, which nobody has seen.
    let sentence = sentence.rsplit_once(" at line ").map_or(sentence.as_str(), |(sentence, _)| sentence);
    let is_of_names =
        ["missing field", "unknown field", "unknown variant"].iter().any(|words| sentence.starts_with(words));
    let of_another = "it has not the form that /admin/openapi.json describes";
    if is_of_names { sentence } else { of_another }.to_owned()
}

/// The open letters to act on, if it can be meant: nothing is acted on that was not named.
pub(super) fn chosen(filter: Filter, all: bool) -> Result<Chosen, Problem> {
    if !filter.states.is_empty() {
        return Err(Problem::field("filter.states", "only open letters can be replayed or discarded"));
    }
    if filter.ids.len() > MAX_IDS {
        return Err(Problem::field("filter.ids", too_many_ids()));
    }
    Ok(Chosen::new(filter, all)?)
}
