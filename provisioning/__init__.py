"""From an HR system, through Azure SQL, to Microsoft Entra ID or Active Directory: API-driven inbound provisioning."""
