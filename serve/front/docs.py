"""The page at /docs: Swagger UI from local files, opened at a live model's own example, which one click sends."""

from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

FILES = "/static-offline-docs"  # where fastapi-offline serves Swagger UI from

_PARAMETERS = {"tryItOutEnabled": True, "displayRequestDuration": True, "defaultModelsExpandDepth": 0}


def page(document: dict[str, Any], root_path: str) -> HTMLResponse:
    """The page for what `document` describes, of a server that is reached below `root_path`."""
    found = get_swagger_ui_html(
        openapi_url=f"{root_path}/openapi.json",
        title=document["info"]["title"],
        swagger_js_url=f"{root_path}{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{root_path}{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{root_path}{FILES}/favicon.png",
        swagger_ui_parameters=_PARAMETERS,
    )
    return HTMLResponse(bytes(found.body).replace(b"<body>", b"<body>" + _opening(document).encode(), 1))


def _opening(document: dict[str, Any]) -> str:
    """A script that opens the first operation that predicts, unless the address names another."""
    posts = [item["post"] for path, item in document["paths"].items() if path.endswith("/predict")]
    if not posts:
        return ""
    place = f"#/{posts[0]['tags'][0]}/{posts[0]['operationId']}"
    return f'<script>if (!location.hash) history.replaceState(null, "", "{place}")</script>'
