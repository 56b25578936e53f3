//! Request bodies: the examples of the specification, and minimal ones.

use serde_json::{Value, json};

/// The specification's example body of an endpoint.
pub(crate) fn sample(path: &str) -> Value {
    match path {
        "/patient" => json!({
            "careq_id": 12345, "clinic_id": "clinic_abc", "first_name": "John", "last_name": "Doe",
            "email": "john.doe@example.com", "phone_number": "9876543210", "date_of_birth": "1990-05-15",
            "gender": "male", "address": "123 Main Street", "city": "Mumbai", "state": "Maharashtra",
            "zip_code": "400001", "aadhar_number": "1234-5678-9012", "spouse_name": "Jane Doe",
            "father_name": "Robert Doe", "custom_field_1": "Blood Group: O+", "custom_field_2": "Allergies: None",
            "custom_field_3": null, "custom_field_4": null, "custom_field_5": null,
            "notes": "Regular patient, prefers morning appointments", "timezone": "Asia/Kolkata",
            "language": "en-US", "created_at": "2025-12-10T10:00:00Z", "updated_at": "2025-12-10T10:00:00Z",
        }),
        "/doctor" => json!({
            "careq_id": 456, "clinic_id": "clinic_abc", "first_name": "Dr. Sarah", "last_name": "Smith",
            "email": "dr.sarah@clinic.com", "phone_number": "9123456789", "mobile_number": "9123456789",
            "address": "456 Medical Plaza", "city": "Mumbai", "state": "Maharashtra", "zip_code": "400002",
            "timezone": "Asia/Kolkata", "language": "en-US", "specialization": "Cardiology",
            "notes": "Available Mon-Fri, 9 AM - 5 PM", "is_private": false,
            "created_at": "2025-12-10T09:00:00Z", "updated_at": "2025-12-10T09:00:00Z",
        }),
        // Parsed from text, so that the digits of the price are kept.
        "/service" => serde_json::from_str(
            r##"{"careq_id": 789, "clinic_id": "clinic_abc", "name": "General Consultation", "duration": 30,
                "price": 500.00, "currency": "INR", "description": "General medical consultation and check-up",
                "location": "Consultation Room 1", "color": "#3498db", "category": "Consultation",
                "is_private": false, "created_at": "2025-12-10T08:00:00Z", "updated_at": "2025-12-10T08:00:00Z"}"##,
        )
        .unwrap(),
        "/appointment" => json!({
            "careq_id": 10001, "clinic_id": "clinic_abc", "patient_careq_id": 12345, "doctor_careq_id": 456,
            "service_careq_id": 789, "book_datetime": "2025-12-10T10:00:00Z",
            "start_datetime": "2025-12-15T14:00:00Z", "end_datetime": "2025-12-15T14:30:00Z", "status": "booked",
            "location": "Consultation Room 1", "notes": "Patient has back pain", "prescription": null,
            "referred_by": "Dr. Kumar", "referred_by_address": "City Hospital, Mumbai", "color": "#3498db",
            "hash": "abc123def456", "created_at": "2025-12-10T10:00:00Z", "updated_at": "2025-12-10T10:00:00Z",
        }),
        "/appointment/status" => json!({
            "careq_id": 10001, "clinic_id": "clinic_abc", "status": "completed",
            "notes": "Appointment completed successfully", "updated_at": "2025-12-15T15:00:00Z",
        }),
        "/appointment/cancel" => json!({
            "careq_id": 10001, "clinic_id": "clinic_abc", "cancellation_reason": "Patient unavailable",
            "cancelled_by": "patient", "cancelled_at": "2025-12-12T10:00:00Z",
        }),
        other => panic!("the specification has no example for {other}"),
    }
}

pub(crate) fn patient(careq_id: i64) -> Value {
    json!({
        "careq_id": careq_id, "clinic_id": "clinic_abc", "first_name": "Asha", "last_name": "Rao",
        "phone_number": "9000000001",
    })
}

pub(crate) fn doctor(careq_id: i64) -> Value {
    json!({ "careq_id": careq_id, "clinic_id": "clinic_abc", "first_name": "Dr. Vikram", "last_name": "Iyer" })
}

pub(crate) fn service(careq_id: i64) -> Value {
    json!({ "careq_id": careq_id, "clinic_id": "clinic_abc", "name": "Check-up", "duration": 20 })
}

/// An appointment whose three parents have its own number.
pub(crate) fn appointment(careq_id: i64) -> Value {
    json!({
        "careq_id": careq_id, "clinic_id": "clinic_abc", "patient_careq_id": careq_id, "doctor_careq_id": careq_id,
        "service_careq_id": careq_id, "book_datetime": "2025-12-10T10:00:00Z",
        "start_datetime": "2025-12-15T14:00:00Z", "end_datetime": "2025-12-15T14:30:00Z", "status": "booked",
    })
}
