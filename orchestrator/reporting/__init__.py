"""What a person is told, while a campaign runs and after."""
