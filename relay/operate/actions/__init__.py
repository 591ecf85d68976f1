"""What can be asked for, each verb once. Knows neither HTTP nor terminals."""
