"""The deployment, held against the code: Terraform, image, compose file, deploy gate, and deploy/README.md.

`terraform_files` reads the folder, `terraform_values` works its expressions out, `declared` says what it declares;
`provider_schema` derives google_provider_schema.json. The rest are tests.
"""
