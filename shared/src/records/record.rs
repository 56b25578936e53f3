//! The definition of a record as a field table, as in the API specification.

/// Defines a record with a line for each field: its name, its type, and the method of `Form` that reads it.
macro_rules! record {
    ($(#[$about:meta])* $name:ident {
        $($(#[$what:meta])* $field:ident: $kind:ty = $rule:ident($($limit:expr)?),)+
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[expect(missing_docs, reason = "the fields are the specification's own, under their own names")]
        pub struct $name { $($(#[$what])* pub $field: $kind,)+ }

        impl $name {
            pub(super) fn read(form: &mut super::form::Form<'_>) -> Self {
                Self { $($field: form.$rule(stringify!($field) $(, $limit)?),)+ }
            }
        }
    };
}

pub(super) use record;
