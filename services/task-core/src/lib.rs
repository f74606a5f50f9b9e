//! The rules of Millstream, pure: plan, transitions, fold, priority.
