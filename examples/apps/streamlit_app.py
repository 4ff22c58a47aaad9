"""Lapel inside a Streamlit page. Run: streamlit run examples/apps/streamlit_app.py."""

import streamlit as st

import lapel

tagger = st.cache_resource(lapel.load_tagger)("photo")

st.title("What is this garment?")
upload = st.file_uploader("A photo of one garment", type=["jpg", "jpeg", "png", "webp"])
if upload is not None:
    photo = upload.getvalue()
    st.image(photo, width=320)
    try:
        tag = tagger.tag(photo)
    except lapel.LapelError as error:
        st.error(error.message)
    else:
        st.subheader(tag.label if tag.accepted else f"I don't know: {tag.reason}")
        for label, confidence in [(tag.label, tag.confidence), *tag.alternatives]:
            st.progress(confidence, text=f"{label}, {confidence:.0%}")
