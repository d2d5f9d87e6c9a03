"""Web application: the routes of the page and of its JSON API."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from fashion_keras.images.raster import ImageError
from fashion_keras.support.errors import InputError
from fashion_keras.web import schemas
from fashion_keras.web.config import ServeConfig
from fashion_keras.web.http.guard import Guard
from fashion_keras.web.http.metrics import Metrics
from fashion_keras.web.http.uploads import Form, RequestError, clean_text, read_body, read_form
from fashion_keras.web.http.workers import BusyError, Workers
from fashion_keras.web.service.api import Api
from fashion_keras.web.service.resources import Resources
from fashion_keras.web.service.thumbnails import SIZES

STATIC = Path(__file__).parent / "static"
# Room for the fields of a form beside its image, in bytes.
_FORM = 2**16
_MOST_ITEMS = 100
# Seconds that the work of a request should take at most: where it takes longer, fewer requests are admitted.
_TARGET = 0.25
_EXPLANATIONS_WAITING = 8
_THUMBNAIL_THREADS, _THUMBNAILS_WAITING = 2, 512
_ERRORS = {code: {"model": schemas.Error} for code in (400, 401, 403, 404, 413, 415, 422, 429, 503, 504)}
_LATER = {**_ERRORS, 202: {"model": schemas.Error, "description": "Not computed yet."}}
_IMAGE: dict[str, Any] = {}
_SEARCH_FORM = schemas.form_body(
    image=_IMAGE,
    text={"type": "string"},
    text_weight={"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    without={"type": "string"},
    sku={"type": "string"},
    image_id={"type": "string"},
    k={"type": "integer", "minimum": 1, "maximum": 100, "default": 24},
    where={"type": "string", "description": 'JSON: {"gender": ["Women"], "price": {"gte": 1, "lt": 5}}'},
    hybrid={"type": "boolean", "default": False},
)


def create_app(config: ServeConfig) -> FastAPI:
    """Open the index and whatever else `config` names, and return the application; InputError as `Resources`."""
    metrics = Metrics()
    resources = Resources(config, metrics)
    # As many threads as requests: those that wait for the network share its forward passes.
    workers = Workers(config.queue, config.queue, _TARGET)
    explaining = Workers(1, _EXPLANATIONS_WAITING)
    images = Workers(_THUMBNAIL_THREADS, _THUMBNAILS_WAITING)
    api = Api(resources)
    metrics.queue_length = lambda: workers.admitted

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for part in (workers, explaining, images, resources):
            part.close()

    app = FastAPI(
        title="fashion_keras", version=version("fashion_keras"), docs_url=None, redoc_url=None, lifespan=lifespan,
        description="Search, tags and products of a fashion catalog.",
    )  # fmt: skip
    app.add_middleware(Guard, metrics=metrics, token=config.token, hosts=(*config.allowed_host, config.host))
    _add_error_handlers(app, config)
    _add_form_routes(app, api, workers, explaining, config)
    _add_catalog_routes(app, api, workers, images, config)
    _add_review_routes(app, api, workers, config)
    _add_page(app, metrics)
    return app


def _add_form_routes(app: FastAPI, api: Api, workers: Workers, explaining: Workers, config: ServeConfig) -> None:
    async def with_form(pool: Workers, request: Request, work: Callable[[Form], Any]) -> Any:  # noqa: ANN401 - of the route
        """Admit a request, receive its form and do its work, all within the time limit."""
        with pool.admit() as admission:
            async with asyncio.timeout(config.max_seconds):
                form = await read_form(request, config.max_bytes + _FORM)
                return await admission.run(work, form)

    @app.post(
        "/api/search", response_model=schemas.SearchReply, responses=_ERRORS, openapi_extra=_SEARCH_FORM,
        summary="Products that are similar to an image, a text, both, or a product; or all that match `where`.",
    )  # fmt: skip
    async def search(request: Request) -> JSONResponse:
        return JSONResponse(await with_form(workers, request, api.search))

    @app.post(
        "/api/tag", response_model=schemas.TagReply, responses=_ERRORS, summary="Tags of an image.",
        openapi_extra=schemas.form_body(("image",), image=_IMAGE),
    )  # fmt: skip
    async def tag(request: Request) -> JSONResponse:
        return JSONResponse(await with_form(workers, request, api.tag))

    @app.post(
        "/api/explain", response_class=Response, summary="Grad-CAM overlay of an image, for one attribute.",
        responses={**_LATER, 200: {"content": {"image/png": {}}}},
        openapi_extra=schemas.form_body(("image",), image=_IMAGE, attribute={"type": "string"}),
    )  # fmt: skip
    async def explain(request: Request) -> Response:
        return Response(await with_form(explaining, request, api.explain), media_type="image/png")


def _add_catalog_routes(app: FastAPI, api: Api, workers: Workers, images: Workers, config: ServeConfig) -> None:
    async def work(pool: Workers, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        with pool.admit() as admission:
            async with asyncio.timeout(config.max_seconds):
                return await admission.run(function, *arguments)

    @app.get("/api/info", response_model=schemas.Info, responses=_ERRORS, summary="What this server has.")
    async def info() -> JSONResponse:
        return JSONResponse(await work(workers, api.info))

    @app.get(
        "/api/images/{image_id:path}", response_class=Response, summary="An image of the catalog, made smaller.",
        responses={**_ERRORS, 200: {"content": {"image/jpeg": {}}}},
    )  # fmt: skip
    async def image(
        request: Request, image_id: str, size: Annotated[int, Query(json_schema_extra={"enum": [*SIZES]})] = 240
    ) -> Response:
        thumbnail = await work(images, api.thumbnail, clean_text(image_id), size)
        headers = {"cache-control": "private, max-age=3600", "etag": thumbnail.etag}
        if request.headers.get("if-none-match") == thumbnail.etag:
            return Response(status_code=304, headers=headers)
        return Response(thumbnail.data, media_type="image/jpeg", headers=headers)

    @app.get(
        "/api/products/{sku:path}", response_model=schemas.Product, responses=_ERRORS,
        summary="A product and its nearest neighbors.",
    )  # fmt: skip
    async def product(sku: str) -> JSONResponse:
        return JSONResponse(await work(workers, api.product, clean_text(sku)))

    @app.get("/api/map", response_model=schemas.MapReply, responses=_LATER, summary="The catalog in two dimensions.")
    async def embedding_map() -> JSONResponse:
        return JSONResponse(await work(workers, api.map))


def _add_review_routes(app: FastAPI, api: Api, workers: Workers, config: ServeConfig) -> None:
    Count = Annotated[int, Query(ge=0, le=10**6)]  # noqa: N806 - a type

    @app.get("/api/review", response_model=schemas.ReviewReply, responses=_LATER, summary="Labels to review.")
    async def review(kind: str | None = None, offset: Count = 0, limit: Count = 20) -> JSONResponse:
        with workers.admit() as admission:
            async with asyncio.timeout(config.max_seconds):
                kind = clean_text(kind) if kind else None
                return JSONResponse(await admission.run(api.review, kind, offset, min(limit, _MOST_ITEMS)))

    @app.post(
        "/api/review", response_model=schemas.Progress, responses=_ERRORS, openapi_extra=schemas.DECISION_BODY,
        summary="Store a decision on a label; it is on the disk when the reply comes.",
    )  # fmt: skip
    async def decide(request: Request) -> JSONResponse:
        with workers.admit() as admission:
            async with asyncio.timeout(config.max_seconds):
                return JSONResponse(await admission.run(api.decide, await read_body(request)))


def _add_page(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/healthz", response_model=schemas.Health, summary="Whether the server replies.")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/metrics", response_class=PlainTextResponse, summary="Counts and times, for Prometheus.")
    async def prometheus() -> PlainTextResponse:
        return PlainTextResponse(metrics.to_text(), media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        if not (STATIC / "index.html").is_file():
            raise RequestError(404, "this installation has no page; the API is described at /openapi.json")
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    if STATIC.is_dir():
        app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _add_error_handlers(app: FastAPI, config: ServeConfig) -> None:
    def handle(kind: type[Exception], reply: Callable[[Any], JSONResponse]) -> None:
        async def handler(_: Request, error: Exception) -> JSONResponse:
            return reply(error)

        app.add_exception_handler(kind, handler)

    handle(InputError, lambda error: error_reply(400, str(error)))
    handle(ImageError, lambda error: error_reply(422, str(error)))
    handle(RequestError, lambda error: error_reply(error.status, str(error), error.headers))
    handle(RequestValidationError, lambda error: error_reply(422, _describe(error)))
    handle(HTTPException, lambda error: error_reply(error.status_code, str(error.detail).lower()))
    handle(ClientDisconnect, lambda error: error_reply(400, "the client has closed the connection"))
    handle(TimeoutError, lambda error: error_reply(504, f"the request took longer than {config.max_seconds:g} seconds"))
    busy = f"too many requests are under way; try again in {BusyError.seconds} second"
    handle(BusyError, lambda error: error_reply(429, busy, {"retry-after": str(BusyError.seconds)}))


def error_reply(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as JSON, in one line of valid Unicode."""
    message = " ".join(message.encode("utf-8", "replace").decode().split())
    return JSONResponse({"error": message}, status, headers)


def _describe(error: RequestValidationError) -> str:
    first = error.errors()[0]
    return f"{first['loc'][-1]}: {first['msg'].lower()}"
