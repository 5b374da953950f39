//! How requests and responses are declared: encoded, as JSON, and described to whoever wants to write one.

macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::api::Described for $name {
            const SHAPE: &'static str = concat!(
                stringify!($name), " {", $(" ", stringify!($field), ": ", stringify!($type), ",",)* " }"
            );
        }
    };
}
